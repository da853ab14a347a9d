"""What a checkpoint was made with, kept beside it, and what a changed contract or function means for it.

Spark itself restarts a query over any checkpoint that it can decode: a window of another length would go on in the
state of the old ones, a changed number of shuffle partitions is ignored without a word.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from lakehouse.contracts.duration import format_duration
from lakehouse.contracts.model import Contract
from lakehouse.errors import LakehouseError
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.logical_plan import LogicalPlan
from lakehouse_spark.stateful import stateful_nodes

#: What a checkpoint keeps it in.
MADE_WITH = "made_with.json"
#: What may not change over the same checkpoint, and why. All else may.
_UNSAFE = {
    "source": "the offsets of one source mean nothing in another",
    "mode": "rows that were written in the one mode cannot be told in the other",
    "keys": "rows that were written under other keys would not be found, and stay",
    "window": "the state holds windows of the old length",
    "slide": "the state holds windows with the old distance",
    "gap": "the state holds sessions with the old gap",
    "groups and sums": "the state was written for others",
    "shuffle partitions": "the state is split into as many parts as there were",
    "state store": "the state was written in another format",
}
#: What the function computes, which may change as long as nothing above does.
_PLAN = "plan"
_COMPUTED_DIFFERENTLY = (
    "rows from now on are computed differently, and open windows in part. Rows that are there stay as they are; a "
    "new `transform.generation` computes them anew too"
)

#: Name → value, as text.
MadeWith = Mapping[str, str]


class IncompatibleCheckpointError(LakehouseError):
    """The contract or its function changed in a way that the checkpoint cannot follow."""


@dataclass(frozen=True)
class Change:
    """One difference between what the checkpoint was made with and what there is now. ``unsafe`` says why not."""

    what: str
    before: str
    after: str
    unsafe: str | None

    def __str__(self) -> str:
        if self.what == _PLAN:
            return f"function: {_COMPUTED_DIFFERENTLY}:\n{self._lines()}"
        reason = f" ({self.unsafe})" if self.unsafe else ""
        return f"{self.what}: was {self.before or 'none'}, is {self.after or 'none'}{reason}"

    def _lines(self) -> str:
        """What went and what came of a text with many lines."""
        compared = difflib.ndiff(self.before.splitlines(), self.after.splitlines())
        return "\n".join(f"    {line}" for line in compared if line.startswith(("-", "+")))


def made_with(contract: Contract, rows: DataFrame | None = None) -> dict[str, str]:
    """What a checkpoint of the contract's query would be made with; ``rows`` is the result of its function."""
    values = {"source": contract.source.origin}
    transform = contract.transform
    if transform is None or rows is None:
        return values
    durations = {
        "window": transform.window,
        "slide": transform.slide,
        "gap": transform.gap,
        "watermark": contract.event_time.watermark,
    }
    configuration, plan = rows.sparkSession.conf, LogicalPlan(rows)
    return {
        **values,
        "function": transform.function or "",
        "mode": transform.output_mode.value,
        "keys": ", ".join(contract.keys),
        **{name: format_duration(value) if value else "" for name, value in durations.items()},
        "groups and sums": "; ".join(plan.resolved(node) for node in stateful_nodes(plan)),
        _PLAN: "\n".join(plan.lines()),
        "shuffle partitions": configuration.get("spark.sql.shuffle.partitions") or "",
        "state store": (configuration.get("spark.sql.streaming.stateStore.providerClass") or "").rpartition(".")[2],
    }


def remember(checkpoint: Checkpoint, values: MadeWith) -> None:
    """Keeps ``values`` with the checkpoint. To be called when the query may go on with them."""
    checkpoint.write(MADE_WITH, json.dumps(dict(values), indent=2) + "\n")


def changes(checkpoint: Checkpoint, values: MadeWith) -> list[Change]:
    """How ``values`` differ from what the checkpoint was made with; nothing for one without batches."""
    text = checkpoint.read(MADE_WITH)
    if text is None or not checkpoint.exists():
        return []
    before: dict[str, str] = json.loads(text)
    # A name that only one of two releases knows has no other side to be compared with.
    return [
        Change(name, before[name], values[name], _UNSAFE.get(name))
        for name in values
        if name in before and before[name] != values[name]
    ]


def refuse_unsafe(table: str, found: Sequence[Change], ways_on: str) -> None:
    """Raises IncompatibleCheckpointError, with the reasons and ``ways_on``, when one of the changes is unsafe."""
    unsafe = [change for change in found if change.unsafe]
    if unsafe:
        listed = "\n".join(f"  {change}" for change in unsafe)
        raise IncompatibleCheckpointError(f"{table} cannot go on from its checkpoint:\n{listed}\n{ways_on}")
