"""How the rows of a computed table lie in time: what a replay of it may cut them by, and how far they are final."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lakehouse.agreement.parties import Party
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import WINDOW_END, WINDOW_START
from lakehouse.contracts.transform import Transform
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import table_stats
from lakehouse_spark.takeover import cut_by, unfinished_since

#: What event times are counted in, where a table has no windows.
INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Cut:
    """Rows are taken by ``column``, in whole steps of ``step``. Those before ``finished`` never change again (None: the
    table has none), and what they are made of happened up to ``lead`` before them.
    """

    column: str
    step: timedelta
    lead: timedelta
    finished: datetime | None


def cut_of(catalog: Catalog, contract: Contract, transform: Transform) -> Cut:
    """The cut of the table of ``contract``, which ``transform`` computes."""
    if contract.resolved_engine is Engine.FLINK:
        return _of_flink(catalog, contract, transform)
    return Cut(
        column=cut_by(contract),
        step=transform.slide or transform.window or INSTANT,
        lead=(contract.event_time.watermark or timedelta(0)) + (transform.gap or timedelta(0)),
        finished=unfinished_since(catalog, contract),
    )


def _of_flink(catalog: Catalog, contract: Contract, transform: Transform) -> Cut:
    """A row is there because the watermark has passed its end, and all rows of a checkpoint are in one commit: what
    ended earlier, by as much lateness as is allowed, is final. A pattern's rows are no windows: its `window` says how
    long before a row the first of its events may lie.
    """
    assert transform.window is not None  # noqa: S101  (see `replayable`)
    columns = {column.name for column in contract.columns}
    windowed = {WINDOW_START, WINDOW_END} <= columns
    ended = WINDOW_END if windowed else contract.event_time.column
    newest = table_stats(catalog, contract.table, (ended,)).maxima[ended]
    step = transform.slide or transform.window
    # A range ends by where windows begin: the last of those that slide ends later than the range.
    behind = Party(contract).lateness + (transform.window - step if windowed else timedelta(0))
    return Cut(
        column=WINDOW_START if windowed else ended,
        step=step if windowed else INSTANT,
        lead=timedelta(0) if windowed else transform.window,
        finished=newest - behind if isinstance(newest, datetime) else None,
    )
