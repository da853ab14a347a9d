"""What is known of a table by following its log, against what the table itself says when it is loaded."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse.contracts import find_contract
from lakehouse.storage import Catalog, create_tables, table_stats
from lakehouse.storage.growth import Known, follow

ORDERS = find_contract(Path(__file__).parents[3] / "streaming" / "contracts", "raw.orders")
NAME, COLUMNS = "raw.orders", ("event_time", "kafka_timestamp")
START = datetime(2026, 1, 1, tzinfo=UTC)


def append(catalog: Catalog, count: int, second: int) -> None:
    moment = START + timedelta(seconds=second)
    row = {"order_id": "o", "customer_id": "c", "amount_cents": 1, "event_time": moment, "kafka_timestamp": moment}
    table = catalog.open(NAME)
    schema = pa.schema(table.schema().to_arrow())
    write_deltalake(table, pa.Table.from_pylist([row] * count, schema=schema), mode="append")


def delete(catalog: Catalog, *_: int) -> None:
    catalog.open(NAME).delete("amount_cents = 1")


def compact(catalog: Catalog, *_: int) -> None:
    catalog.open(NAME).optimize.compact()


def set_property(catalog: Catalog, *_: int) -> None:
    catalog.open(NAME).alter.set_table_properties({"delta.logRetentionDuration": "interval 1 days"})


def make_catalog(root: Path) -> Catalog:
    catalog = Catalog(str(root))
    create_tables(catalog, ORDERS)
    return catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return make_catalog(tmp_path)


def known(catalog: Catalog, before: Known | None = None) -> Known:
    found = follow(catalog, NAME, COLUMNS, before)
    assert found is not None
    return Known.from_json(found.as_json())


def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that are loaded from now on."""
    loaded: list[str] = []
    load = DeltaTable.__init__

    def noted(self: DeltaTable, uri: str, *given: object, **options: object) -> None:
        loaded.append(uri)
        load(self, uri, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(DeltaTable, "__init__", noted)
    return loaded


def test_a_table_that_stands_is_the_same_and_is_not_loaded(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    before = known(catalog)
    loaded = loads(monkeypatch)
    assert follow(catalog, NAME, COLUMNS, before) is before
    assert loaded == []


def test_rows_that_were_appended_are_known_without_loading_the_table(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(catalog, 3, second=10)
    before = known(catalog)
    append(catalog, 4, second=5)
    append(catalog, 5, second=20)
    loaded = loads(monkeypatch)
    after = known(catalog, before)
    assert loaded == []
    assert (after.stats.version, after.stats.rows, after.stats.files) == (3, 12, 3)
    assert after.stats.maxima["kafka_timestamp"] == START + timedelta(seconds=20)


def test_a_table_that_was_made_anew_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    old, new = make_catalog(tmp_path / "old"), make_catalog(tmp_path / "new")
    append(old, 3, second=10)
    append(new, 100, second=10)
    before = known(old)
    append(new, 1, second=10)
    assert known(new, before).stats.rows == 101


def test_a_table_that_is_not_there_is_not_known(tmp_path: Path) -> None:
    assert follow(Catalog(str(tmp_path)), NAME, COLUMNS, None) is None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from([append, append, append, delete, compact, set_property]),
            st.integers(1, 50),
            st.integers(0, 100_000),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_whatever_happens_to_a_table_what_is_known_of_it_is_what_it_says_itself(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[Callable[[Catalog, int, int], None], int, int, bool]],
) -> None:
    catalog = make_catalog(tmp_path_factory.mktemp("table"))
    followed = known(catalog)
    for change, rows, second, look in changes:
        change(catalog, rows, second)
        if look:
            followed = known(catalog, followed)
    stats, loaded = known(catalog, followed).stats, table_stats(catalog, NAME, maxima_of=COLUMNS)
    assert stats.maxima == {name: value for name, value in loaded.maxima.items() if value is not None}
    assert (stats.version, stats.rows, stats.bytes, stats.files, stats.committed_at) == (
        *(loaded.version, loaded.rows, loaded.bytes, loaded.files),
        loaded.committed_at,
    )
