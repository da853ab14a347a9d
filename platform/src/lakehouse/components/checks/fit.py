"""Whether the engine that writes a table fits its contract."""

import dagster as dg

from lakehouse.components.checks.check import Present, StreamCheck, Verdict, every
from lakehouse.contracts.fit import decision_of, misfits
from lakehouse.contracts.model import Contract
from lakehouse.invocation import command


def _judge(contract: Contract, _: Present) -> Verdict:
    found = [str(misfit) for misfit in misfits(contract)]
    engine, listed = contract.resolved_engine.value, "\n".join(f"- {misfit}" for misfit in found)
    text = f"{engine} writes the table, and {len(found)} rules or red flags speak against it, expected none"
    if found:
        text += f":\n{listed}\n\nSee what would change the answer: {command(f'choose {contract.table}')}"
    details = {
        "engine": dg.MetadataValue.text(engine),
        "rule": dg.MetadataValue.text(str(decision_of(contract).rule)),
        "misfits": dg.MetadataValue.md(listed),
    }
    return Verdict(not found, text, {}, details, reason=listed)


ENGINE_FIT = StreamCheck(
    "engine_fit",
    "Neither the rules nor a red flag speak against the engine that writes the table.",
    every,
    _judge,
    # The table works, at another cost: nobody has to be woken.
    dg.AssetCheckSeverity.WARN,
)
