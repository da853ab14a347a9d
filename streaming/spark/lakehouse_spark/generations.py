"""Generations of a computed table: each has a checkpoint of its own, and takes the table over from the one before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import SparkSession

from lakehouse.contracts.model import Contract
from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings
from lakehouse_spark.checkpoint import Checkpoint
from lakehouse_spark.compatibility import MADE_WITH
from lakehouse_spark.origin import ORIGIN

_FILE = "superseded_by"


class AnotherSourceError(LakehouseError):
    """An earlier generation read another source than the present one."""


class SupersededError(LakehouseError):
    """A later generation has written the table since."""


@dataclass(frozen=True)
class Generations:
    """The generations of ``contract``'s table, which has a transform."""

    spark: SparkSession
    settings: Settings
    contract: Contract

    @property
    def current(self) -> int:
        """The generation that the contract asks for."""
        return self.contract.generation

    def location(self, generation: int) -> str:
        """Where a generation keeps its checkpoint."""
        return f"{self.settings.checkpoint_root}/{self.contract.spark_checkpoint(generation)}"

    def supersede(self) -> None:
        """Marks the generations before, so that none of them goes on, or begins, over rows that it does not know."""
        for generation in range(1, self.current):
            self._checkpoint(generation).write(_FILE, f"{self.current}\n")

    def refuse_other_source(self, now: Mapping[str, str]) -> None:
        """Raises AnotherSourceError when a generation before read something else: its rows cannot be computed again.

        ``now`` is what the present one is about to read: the name of its ``source``, and what its stream is known by.
        """
        for generation in range(1, self.current):
            before = self._reads(generation)
            changed = [
                f"{name} was {before[name]} and is {now[name]}"
                for name in before
                if name in now and before[name] != now[name]
            ]
            if changed:
                raise AnotherSourceError(
                    f"{self.contract.table} holds rows of generation {generation}, which read something else: "
                    f"{'; '.join(changed)}. Generation {self.current} would delete what it cannot compute again. "
                    "Change the source back, or move the table away to begin with an empty one."
                )

    def _reads(self, generation: int) -> dict[str, str]:
        """What a generation has noted of its source; empty for one that never read."""
        checkpoint = self._checkpoint(generation)
        if not checkpoint.exists():
            return {}
        noted = {"source": checkpoint.read(MADE_WITH), "topic_id": checkpoint.read(ORIGIN)}
        read = {name: str(json.loads(text)[name]) for name, text in noted.items() if text is not None}
        table_id = checkpoint.table_id()
        return read if table_id is None else {**read, "table_id": table_id}

    def refuse_superseded(self) -> None:
        """Raises SupersededError when a later generation has taken the table over."""
        later = self._checkpoint(self.current).read(_FILE)
        if later is not None:
            raise SupersededError(
                f"{self.contract.table}: generation {later.strip()} has taken the table over from generation "
                f"{self.current}, whose checkpoint knows nothing of the rows since. Set `transform.generation` back to "
                f"{later.strip()}, or to {int(later) + 1} to compute anew what the source holds."
            )

    def ways_on(self) -> str:
        """What to do about a change that the checkpoint cannot follow."""
        return (
            "Either change it back, and the query goes on where it stopped; or begin a new generation: set "
            f"`generation: {self.current + 1}` below `transform`. It computes anew what the source still holds, in the "
            "place of the rows there are, and leaves older rows as they are."
        )

    def _checkpoint(self, generation: int) -> Checkpoint:
        return Checkpoint(self.spark, self.location(generation), self.contract.source.topic)
