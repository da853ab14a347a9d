"""What the check `late_ratio` says of a table whose writer drops late events: what its closed windows lack.

Spark tells how many rows it dropped since it started, which it has aggregated in part by then; Flink's SQL tells
nothing. The comparison of the windows with their events knows.
"""

from lakehouse.agreement import Agreement
from lakehouse.components.checks.check import Verdict
from lakehouse.components.checks.ratios import LATE_RATIO, share, share_numbers
from lakehouse.contracts.model import Contract


def drops_late_events(contract: Contract) -> bool:
    """Whether nobody keeps them apart, so that they have to be found out."""
    return not LATE_RATIO.concerns(contract)


def judge_dropped(contract: Contract, agreement: Agreement) -> Verdict:
    """Whether the table of ``contract`` lacks no greater share of its windows' events than it may."""
    ratio, limit = share(agreement.late, agreement.events), contract.checks.late_ratio
    begin, until = (f"{moment:%Y-%m-%d %H:%M}" for moment in (agreement.begin, agreement.until))
    text = (
        f"{agreement.late:,} of {agreement.events:,} events ({ratio:.2%}) in windows from {begin} to {until} came too "
        f"late, expected at most {limit:.2%}"
    )
    if ratio > limit:
        text += " (`checks.late_ratio`). The check `agreement` shows the windows"
    return Verdict(ratio <= limit, text, share_numbers(agreement.late, agreement.events, limit, "late"))
