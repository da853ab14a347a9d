"""Whether the latency contract is kept, and whether a cheaper engine would keep it too."""

import dagster as dg

from lakehouse.components.checks.check import Present, StreamCheck, Verdict
from lakehouse.components.checks.writer import log_of
from lakehouse.components.freshness import freshness_metadata
from lakehouse.contracts.model import Contract
from lakehouse.invocation import command
from lakehouse.observability.margin import cheaper_engine_hint

HINT = "cheaper_engine"


def _judge(contract: Contract, present: Present) -> Verdict | None:
    found = present.freshness.get(contract.table)
    if found is None or found.age is None:
        return None
    numbers = {"contract_seconds": found.contract, "tolerance_seconds": found.tolerance}
    text = f"the oldest event that is not visible is {found.age:,.0f} s old, expected at most {found.contract:,.0f} s"
    if found.missed_for is not None:
        numbers["missed_for_seconds"] = round(found.missed_for, 3)
        text += f": so for {found.missed_for:,.0f} s, of which {found.tolerance:,.0f} s are tolerated"
    if found.failed:
        text += f". See where it waits: {command('status')}, {log_of(contract)}"
    details: dict[str, dg.MetadataValue] = dict(freshness_metadata(found))
    # That the margin is wide is news, and how wide it is at the moment is not.
    reason = ""
    if hint := cheaper_engine_hint(contract, found):
        details[HINT], reason = dg.MetadataValue.text(hint), HINT
    return Verdict(not found.failed, text, numbers, details, reason)


FRESHNESS = StreamCheck(
    "freshness",
    "No event has waited longer to become visible than the contract allows and tolerates.",
    # A table that follows another one has no offsets of its own to be measured by.
    lambda contract: contract.source.table is None,
    _judge,
)
