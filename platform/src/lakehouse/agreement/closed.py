"""Which windows can be compared: those that all parties have closed, and to which no event is still under way.

How far a party is, its own table tells. One that shows open windows has seen an event as late as the newest of them
begins, and closes what ends its delay earlier. One that shows a window when the watermark passed it has passed the
newest that it shows, and closes what ends its allowed lateness earlier. The events' table has to be as far as the
slowest of them, in each partition that is not idle: as a watermark is, for the same reason.
"""

from dataclasses import dataclass
from datetime import timedelta

from duckdb import DuckDBPyConnection

from lakehouse.agreement.parties import Party, Trial
from lakehouse.storage.sql import relation

_MICROSECOND = timedelta(microseconds=1)
#: Windows to which no event was under way any more before that are not looked at again: they were, when younger.
_REACHING_BACK = timedelta(hours=1)


@dataclass(frozen=True)
class Span:
    """Windows from ``begin`` (of their start) to ``until`` (of their end), in microseconds since 1970."""

    begin: int
    until: int


def microseconds(duration: timedelta) -> int:
    return duration // _MICROSECOND


def closed_by_parties(duck: DuckDBPyConnection, trial: Trial) -> Span | None:
    """What all parties have closed; None where one has closed nothing. The first window of each may be half."""
    spans = [_closed_by(duck, party) for party in trial.parties]
    if None in spans:
        return None
    known = [span for span in spans if span is not None]
    until = min(span.until for span in known)
    return Span(max(*(span.begin for span in known), until - microseconds(_REACHING_BACK + trial.settling)), until)


def closed_by_all(duck: DuckDBPyConnection, trial: Trial, parties: Span) -> tuple[Span, int] | None:
    """Of ``parties`` what the relation `events` has passed, too; None where that is nothing.

    And until when all that arrived is in that relation, in microseconds. Both as its slowest busy partition is.
    """
    found = duck.execute(
        """
        WITH partitions AS (
            SELECT max(happened) AS newest, max(arrived) AS arrived FROM events GROUP BY kafka_partition
        )
        SELECT (SELECT min(happened) FROM events), min(newest), min(arrived) FROM partitions
        WHERE arrived >= (SELECT max(arrived) FROM partitions) - ?
        """,
        [microseconds(trial.idleness)],
    ).fetchone()
    if found is None or found[0] is None:
        return None
    first, newest, read_until = found
    span = Span(max(parties.begin, first), min(parties.until, newest - microseconds(trial.delay)))
    return (span, read_until) if span.begin < span.until else None


def _closed_by(duck: DuckDBPyConnection, party: Party) -> Span | None:
    newest, behind = ("window_start", party.delay) if party.shows_open_windows else ("window_end", party.lateness)
    found = duck.execute(
        f"SELECT min(epoch_us(window_start)), max(epoch_us({newest})) FROM {relation(party.table)}"  # noqa: S608
    ).fetchone()
    if found is None or found[0] is None:
        return None
    return Span(found[0] + microseconds(party.window), found[1] - microseconds(behind))
