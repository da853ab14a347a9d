"""The command line, `lakehouse …`."""
