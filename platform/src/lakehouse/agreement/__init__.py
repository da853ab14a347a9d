"""Do the engines agree? Windows that several of them count are compared with what the events' own table holds."""

from lakehouse.agreement.compare import Agreement, Difference, compare
from lakehouse.agreement.parties import Party, Trial, trials

__all__ = ["Agreement", "Difference", "Party", "Trial", "compare", "trials"]
