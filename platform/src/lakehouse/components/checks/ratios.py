"""Which share of the last hour's events a table did not take: invalid ones, and those too late for their window."""

import dagster as dg

from lakehouse.components.checks.check import Present, StreamCheck, Verdict
from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.invocation import command


def _quarantined(contract: Contract, present: Present) -> Verdict | None:
    found = present.freshness.get(contract.table)
    if found is None or not (events := found.events + found.invalid):
        return None
    text, verdict = _share(found.invalid, events, contract.checks.quarantine_ratio, "invalid")
    return verdict if verdict.passed else _failed(verdict, text, "quarantine_ratio", contract.rejected_table)


def _late(contract: Contract, present: Present) -> Verdict | None:
    found = present.freshness.get(contract.table)
    # What the job has read is counted where the same events are kept as they came: its own rows are windows.
    events = sum(
        measured.events
        for other in present.contracts
        if _holds_events_of(contract, other) and (measured := present.freshness.get(other.table)) is not None
    )
    if found is None or not events:
        return None
    text, verdict = _share(found.late, events, contract.checks.late_ratio, "late")
    return verdict if verdict.passed else _failed(verdict, text, "late_ratio", str(contract.late))


def share(count: int, events: int) -> float:
    """Which share of ``events`` so many are; of none, none."""
    return count / events if events else 0.0


def share_numbers(count: int, events: int, limit: float, what: str) -> dict[str, float]:
    """What Dagster plots of a share: ``count`` of ``events`` were ``what``, and at most ``limit`` of them may be."""
    ratio = share(count, events)
    return {f"{what}_ratio": ratio, f"{what}_ratio_limit": limit, f"{what}_events": count, "events": events}


def _share(count: int, events: int, limit: float, what: str) -> tuple[str, Verdict]:
    ratio = share(count, events)
    text = f"{count:,} of the last hour's {events:,} events ({ratio:.2%}) were {what}, expected at most {limit:.2%}"
    return text, Verdict(ratio <= limit, text, share_numbers(count, events, limit, what))


def _failed(verdict: Verdict, text: str, field: str, table: str) -> Verdict:
    query = command(f'query "FROM {table} ORDER BY ingested_at DESC LIMIT 10"')
    return Verdict(False, f"{text} (`checks.{field}`). See which: {query}", verdict.numbers)


def _holds_events_of(contract: Contract, other: Contract) -> bool:
    return other.transform is None and other.source.topic == contract.source.topic


QUARANTINE_RATIO = StreamCheck(
    "quarantine_ratio",
    "No greater share of the last hour's events was invalid than the contract tolerates.",
    lambda contract: contract.on_invalid is OnInvalid.QUARANTINE,
    _quarantined,
    # The table goes on, and nothing is lost: whoever sends such events has to be told, and nobody woken.
    dg.AssetCheckSeverity.WARN,
)
LATE_RATIO = StreamCheck(
    "late_ratio",
    "No greater share of the last hour's events came too late for its window than the contract tolerates.",
    lambda contract: contract.late is not None,
    _late,
    dg.AssetCheckSeverity.WARN,
)
