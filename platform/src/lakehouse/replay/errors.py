"""What can be wrong with a replay. Every message tells the value found, what was expected and the next step."""

from lakehouse.errors import LakehouseError


class ReplayError(LakehouseError):
    """A replay cannot be done as it was asked for; the live table is as it was."""


class RangeGoneError(ReplayError):
    """The topic no longer holds all of the range: a replay would delete what it cannot read again."""
