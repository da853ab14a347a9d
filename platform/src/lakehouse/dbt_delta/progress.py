"""What a model has consumed of its sources, as stored in the model's own table.

Each commit of a model carries Delta transactions (`txn`): one counts the rebuilds of the table (its epoch), the others
give the version consumed of each source. A source's application id holds the epoch and the source's Delta table id, so
a rebuilt model or a recreated source starts afresh instead of continuing from a number that means something else.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from deltalake import DeltaTable

from lakehouse.storage.commit import Progress, progress_of

EPOCH = "dbt:epoch"
_APP_ID = re.compile(r"dbt:\d+:(?P<source>[^:]+):[^:]+")


@dataclass(frozen=True)
class Consumption:
    """A model reads ``source`` from after version ``since`` (None: from its beginning) up to ``version``."""

    source: str
    table_id: str
    since: int | None
    version: int

    @property
    def moved(self) -> bool:
        return self.since != self.version

    def app_id(self, epoch: int) -> str:
        return _app_id(epoch, self.source, self.table_id)


def epoch_of(table: DeltaTable) -> int:
    """The epoch of a model's table; 0 for a table no model has written yet."""
    return progress_of(table, EPOCH) or 0


def consumed_version(model: DeltaTable, source_name: str, source: DeltaTable) -> int | None:
    """The version of ``source`` that ``model`` has consumed; None when it never did."""
    return progress_of(model, _app_id(epoch_of(model), source_name, str(source.metadata().id)))


def consumed_sources(transactions: Progress) -> dict[str, int]:
    """Of the transactions of a model's commit: the version consumed of each source, by its name."""
    found = (_APP_ID.fullmatch(app_id) for app_id in transactions)
    return {match["source"]: transactions[match.string] for match in found if match}


def as_transactions(epoch: int, consumed: Iterable[Consumption]) -> Progress:
    """The transactions that store ``consumed``. The epoch is always among them, so concurrent runs conflict."""
    return {EPOCH: epoch, **{item.app_id(epoch): item.version for item in consumed}}


def _app_id(epoch: int, source: str, table_id: str) -> str:
    return f"dbt:{epoch}:{source}:{table_id}"
