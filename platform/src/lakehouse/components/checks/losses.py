"""Whether events were gone before they were read, and nobody has said that this was dealt with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from lakehouse.components.checks.check import Present, StreamCheck, Verdict
from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.observability.look import LOST
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.duck import connect
from lakehouse.storage.sql import relation
from lakehouse.storage.tail import Position, position_at, stands

_SHOWN = 20


@dataclass(frozen=True)
class _Loss:
    """A row of quarantine that stands for events which were gone before they were read."""

    recorded_at: datetime
    reason: str


_Read = tuple[Position | None, list[_Loss]]


def no_events_lost() -> StreamCheck:
    """The check. It reads a quarantine table when that has a new version, and not before."""
    return StreamCheck(
        "no_events_lost",
        "No event was gone before it was read, but for losses that the contract acknowledges.",
        lambda contract: contract.on_invalid is OnInvalid.QUARANTINE,
        _judge_with({}),
    )


def _judge_with(known: dict[str, _Read]) -> Callable[[Contract, Present], Verdict]:
    def judge(contract: Contract, present: Present) -> Verdict:
        losses, until = _losses(present.catalog, contract.rejected_table, known), _acknowledged(contract)
        # Each loss stays in quarantine: that somebody has dealt with it is said in the contract, and reviewed there.
        new = [loss for loss in losses if until is None or loss.recorded_at > until]
        listed = "\n".join(f"- {loss.reason}" for loss in new[:_SHOWN])
        details: dict[str, dg.MetadataValue] = {"lost": dg.MetadataValue.md(listed)}
        text = f"{len(new)} losses that nobody has acknowledged, expected none"
        if new:
            newest = max(loss.recorded_at for loss in new)
            advice = (
                f"Once these are dealt with, say so in the contract of `{contract.table}`, below `source`: "
                f"`losses_acknowledged_until: {newest.isoformat()}`"
            )
            details["acknowledge"] = dg.MetadataValue.md(advice)
            text += f":\n{listed}\n\n{advice}"
        numbers = {"losses": len(new), "acknowledged": len(losses) - len(new)}
        return Verdict(not new, text, numbers, details, reason=listed)

    return judge


def _acknowledged(contract: Contract) -> datetime | None:
    return contract.source.losses_acknowledged_until


def _losses(catalog: Catalog, table: str, known: dict[str, _Read]) -> list[_Loss]:
    if not catalog.exists(table):
        return []
    held = known.get(table)
    if held is None or held[0] is None or not stands(catalog, table, held[0]):
        position = position_at(catalog, table, catalog.open(table).version())
        rows = connect(catalog, [table]).execute(
            f"SELECT ingested_at, reason FROM {relation(table)} "  # noqa: S608  (the contract's own table)
            f"WHERE starts_with(reason, '{LOST}') ORDER BY ALL"
        )
        known[table] = (position, [_Loss(at.astimezone(UTC), str(reason)) for at, reason in rows.fetchall()])
    return known[table][1]
