"""The base of every error that a user is meant to read.

The command line prints these without a traceback, so a message has to stand alone: the value that was
found, what was expected, and the next step.
"""


class LakehouseError(Exception):
    """A problem the user can act on. Subclasses say which part raised it."""
