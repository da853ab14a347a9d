"""A live table and what a replay of it has computed, both written by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import CommitProperties, Transaction, write_deltalake
from tests.contracts import visits_contract

from lakehouse.contracts import Contract
from lakehouse.replay.compare import Comparison, compare
from lakehouse.replay.difference import Pair, difference
from lakehouse.replay.note import Note
from lakehouse.replay.pairs import database, pairs
from lakehouse.replay.run import Replays
from lakehouse.replay.scope import Scope
from lakehouse.replay.swap import Step, Swap
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from lakehouse.storage.duck import delta_scan_sql

#: Offset to the value of `pages`, of partition 0.
Rows = Mapping[int, int]
COLUMNS = [
    {"name": "at", "type": "timestamp", "required": True},
    {"name": "pages", "type": "bigint", "required": True},
]
DAY_MS = 86_400_000
#: Offsets of the range that a replay finds no event of.
LOST = (12, 17)
SCOPE = Scope(topic="visits", offsets={0: (10, 20)})


@dataclass(frozen=True)
class Lake:
    """`raw.visits` and, beside it, `replay.visits`; the range that is replayed is offsets 10 to 19 of partition 0."""

    settings: Settings
    contract: Contract
    scope: Scope = SCOPE

    @property
    def catalog(self) -> Catalog:
        return Catalog.from_settings(self.settings)

    def write(
        self, rows: Rows, name: str = "raw.visits", transaction: tuple[str, int] | None = None, topic: str = "visits"
    ) -> None:
        """One commit with ``rows``, as a writer makes it."""
        schema = pa.schema(self.catalog.open(name).schema().to_arrow())
        moments = [datetime.fromtimestamp(offset * DAY_MS / 1000, UTC) for offset in rows]
        values = {
            "at": moments,
            "pages": list(rows.values()),
            "kafka_topic": [topic] * len(rows),
            "kafka_partition": [0] * len(rows),
            "kafka_offset": list(rows),
            "kafka_timestamp": moments,
            "ingested_at": [datetime.now(UTC)] * len(rows),
        }
        table = pa.table(
            {field.name: pa.array(values.get(field.name, [None] * len(rows)), field.type) for field in schema},
            schema=schema,
        )
        progress = [Transaction(*transaction)] if transaction else []
        properties = CommitProperties(app_transactions=progress)
        write_deltalake(self.catalog.uri(name), table, mode="append", commit_properties=properties)

    def replayed(self, rows: Rows) -> None:
        """The side table holds ``rows``."""
        side = self.contract.model_copy(update={"table": "replay.visits"})
        create_tables(self.catalog, side)
        if rows:
            self.write(rows, "replay.visits")

    def rows(self, name: str = "raw.visits") -> list[tuple[int, int]]:
        """Offset and pages of each row."""
        held = self.catalog.open(name).to_pyarrow_table(columns=["kafka_offset", "pages"]).to_pylist()
        return sorted((row["kafka_offset"], row["pages"]) for row in held)

    def pair(self, version: int | None = None) -> Pair:
        """The live table, beside the side table or its own ``version``."""
        name = "replay.visits" if version is None else "raw.visits"
        [pair] = pairs(self.contract, self.scope, {"raw.visits": delta_scan_sql(self.catalog, name, version)})
        return pair

    def swap(self, step: Step = Step.SWAP, version: int | None = None, replay_id: str = "test") -> bool:
        with database(self.settings, self.catalog, self.contract, self.scope) as connection:
            return Swap(connection, self.catalog, self.pair(version), f"replay-{replay_id}", step).commit()

    def compared(self) -> Comparison:
        live = self.catalog.open("raw.visits").version()
        with (
            database(self.settings, self.catalog, self.contract, self.scope) as connection,
            difference(connection, self.catalog, self.pair(), live) as found,
        ):
            return compare(connection, self.pair(), found)


@pytest.fixture(scope="session")
def make_lake(make_settings: Callable[..., Settings]) -> Callable[[Path], Lake]:
    def make(directory: Path) -> Lake:
        settings = make_settings(directory / "state", contracts_dir=directory / "contracts")
        lake = Lake(settings, visits_contract(COLUMNS))
        create_tables(lake.catalog, lake.contract)
        return lake

    return make


@pytest.fixture
def lake(make_lake: Callable[[Path], Lake], tmp_path: Path) -> Lake:
    """Rows 0 to 29 in three commits, so that the first and the last have no row of the range."""
    lake = make_lake(tmp_path)
    for first in (0, 8, 22):
        lake.write(dict.fromkeys(range(first, {0: 8, 8: 22, 22: 30}[first]), 1))
    return lake


@pytest.fixture
def replays(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Replays:
    """Whose computation finds the offsets LOST to be none; Spark's part has tests of its own, in tests/integration."""
    declare(lake)

    def compute(replays: Replays, contract: Contract, note: Note) -> None:
        side = note.sides[contract.table]
        create_tables(replays.catalog, contract.model_copy(update={"table": side}))
        rows = {offset: 1 for offset in range(10, 20) if offset not in LOST}
        # As Delta does for Spark, which marks what it computes.
        if lake.catalog.open(side).transaction_version(f"spark:{note.app_id}") is None:
            lake.write(rows, side, (f"spark:{note.app_id}", 0))

    monkeypatch.setattr(Replays, "_compute", compute)
    return Replays(lake.settings)


def declare(lake: Lake, **changes: object) -> None:
    lake.settings.contracts_dir.mkdir(exist_ok=True)
    values = visits_contract(COLUMNS, **changes).model_dump(mode="json", exclude_none=True)
    (lake.settings.contracts_dir / "visits.yaml").write_text(yaml.safe_dump(values))
