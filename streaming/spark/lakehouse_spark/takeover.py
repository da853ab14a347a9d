"""A query without a checkpoint, over a table that has rows: it computes them anew, as far as its source reaches back.

What the source can no longer tell whole stays as it is; everything after that is replaced, once, by what the query has
computed up to the present (see `rebuild`). It begins no later than what was not finished yet, or not at all. So no row
is lost and none is there twice, whatever the query computes now.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame

from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import WINDOW_END, WINDOW_START
from lakehouse.errors import LakehouseError
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import table_stats
from lakehouse_spark.checkpoint import Checkpoint

_FILE = "takeover.json"


class UnfinishedRowsError(LakehouseError):
    """Rows that were still changing, or not written yet, could not be computed anew."""


@dataclass(frozen=True)
class Takeover:
    """``since`` is the first time that is computed anew, None for all there is. Kept with the checkpoint."""

    column: str
    since: datetime | None

    @classmethod
    def read(cls, checkpoint: Checkpoint) -> "Takeover | None":
        """What the checkpoint began with; None where it began with an empty table."""
        text = checkpoint.read(_FILE)
        if text is None:
            return None
        values = json.loads(text)
        return cls(values["column"], datetime.fromisoformat(values["since"]) if values["since"] else None)

    def write(self, checkpoint: Checkpoint) -> None:
        """Keeps it: a restart has to replace the same rows."""
        since = self.since.isoformat() if self.since else None
        checkpoint.write(_FILE, json.dumps({"column": self.column, "since": since}) + "\n")

    @property
    def predicate(self) -> str | None:
        """SQL for the rows that are replaced; None for all."""
        if self.since is None:
            return None
        return f"{self.column} >= TIMESTAMP '{self.since.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00:00'"

    def written(self, rows: DataFrame) -> DataFrame:
        """Those of ``rows`` that replace what is there."""
        return rows if self.predicate is None else rows.where(self.predicate)


def take_over(contract: Contract, complete_from: datetime | None, wanted: datetime | None) -> Takeover:
    """Where a computation begins anew when its source holds every event since ``complete_from``.

    A window is whole when it starts no earlier; a session when no event that is gone can have belonged to it. Raises
    UnfinishedRowsError when that is later than ``wanted``, see ``unfinished_since``.
    """
    if complete_from is not None and wanted is not None and complete_from > wanted:
        raise UnfinishedRowsError(
            f"{contract.table} cannot be computed anew: its source holds every event since {complete_from} only, and "
            f"rows from {wanted} on were not finished. They would stay so for ever. Let the generation that wrote them "
            f"go on until the table has rows that are {complete_from - wanted} newer, with `transform.generation` as "
            "it was; or move the table away to begin with what there is."
        )
    return Takeover(cut_by(contract), complete_from + _gap(contract) if complete_from else None)


def unfinished_since(catalog: Catalog, contract: Contract) -> datetime | None:
    """Since when a source has to be complete, so that all is computed anew that may not be finished; None: unknown.

    The table itself tells, which outlives a checkpoint: the watermark was at least as far as its newest row, less the
    lateness that the contract allows, and what ended behind the watermark is finished.
    """
    column = cut_by(contract)
    newest = table_stats(catalog, contract.table, (column, WINDOW_END)).maxima
    start, end = newest[column], newest[WINDOW_END]
    if not isinstance(start, datetime):
        return None
    # The windows that are there may be longer than those that the contract asks for now.
    there = end - start if column == WINDOW_START and isinstance(end, datetime) else timedelta(0)
    asked = (contract.transform.window if contract.transform else None) or _gap(contract)
    return start - (contract.event_time.watermark or timedelta(0)) - max(there, asked) - _gap(contract)


def cut_by(contract: Contract) -> str:
    """The column by whose time rows are computed anew or left as they are."""
    windowed = contract.transform is not None and contract.transform.step is not None
    return WINDOW_START if windowed else contract.event_time.column


def _gap(contract: Contract) -> timedelta:
    return (contract.transform.gap if contract.transform else None) or timedelta(0)


def has_rows(catalog: Catalog, table: str) -> bool:
    """Whether the table holds anything."""
    return bool(catalog.open(table).file_uris())
