"""What a topic holds, found by looking: the draft of a contract from a sample of its messages."""
