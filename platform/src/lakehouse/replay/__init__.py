"""Replays: a table computed again beside the live one by the same code, compared with it, and swapped in."""
