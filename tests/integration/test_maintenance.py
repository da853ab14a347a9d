"""Maintenance beside dbt, which reads and writes tables by version."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from lakehouse.contracts import Contract, find_contract
from lakehouse.maintenance.run import Maintenance
from lakehouse.settings import Settings
from tests.delta_tables import let_pass
from tests.integration.conftest import REPOSITORY
from tests.lakehouse_dbt import Event, Lakehouse, parse

SOURCE, MODELS = "raw.orders", ("staging.stg_orders", "marts.fct_orders_daily")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return parse(tmp_path_factory.mktemp("manifest"))


@pytest.fixture
def lakehouse(tmp_path: Path, manifest: Manifest) -> Lakehouse:
    lakehouse = Lakehouse(tmp_path, manifest=manifest)
    lakehouse.create_source()
    return lakehouse


@pytest.fixture
def maintain(lakehouse: Lakehouse, make_settings: Callable[..., Settings], tmp_path: Path) -> Callable[[], list[str]]:
    """Maintains every table, however few its small files are; returns what a reader holds."""
    settings = make_settings(tmp_path / "state", root=lakehouse.catalog.root)
    shipped = find_contract(REPOSITORY / "streaming" / "contracts", SOURCE).model_dump(exclude_none=True)
    contract = Contract.model_validate({**shipped, "maintenance": {"small_files": 2}})

    def run() -> list[str]:
        maintenance = Maintenance(settings, [contract])
        done = [maintenance.maintain(table, dry_run=False) for table in maintenance.tables()]
        return [upkeep.held for upkeep in done if upkeep.held]

    return run


def rows(lakehouse: Lakehouse) -> list[list[tuple[object, ...]]]:
    return [lakehouse.rows(f"SELECT * FROM {model} ORDER BY ALL") for model in MODELS]


def test_increments_lose_nothing_to_maintenance_between_them(
    lakehouse: Lakehouse, maintain: Callable[[], list[str]]
) -> None:
    for number in range(3):
        lakehouse.produce(Event(f"o{number}"))
        lakehouse.produce(Event(f"o{number}").later(number + 1, status="paid"))
        # Between the events and the run that reads them, and after it.
        assert maintain() == []
        lakehouse.run()
        assert maintain() == []
    held = rows(lakehouse)
    assert [len(found) for found in held] == [3, 3]
    lakehouse.run("--full-refresh")
    assert rows(lakehouse) == held


def test_a_model_that_was_not_run_for_longer_than_the_retention_keeps_what_it_has_not_read(
    lakehouse: Lakehouse, maintain: Callable[[], list[str]]
) -> None:
    lakehouse.produce(Event("o1"))
    lakehouse.run()
    lakehouse.produce(Event("o2"))
    let_pass(lakehouse.catalog.uri(SOURCE), timedelta(days=40))
    (held,) = maintain()
    assert "the model staging.stg_orders has consumed version" in held
    lakehouse.run()
    assert lakehouse.rows("SELECT count(*) FROM staging.stg_orders") == [(2,)]
    assert maintain() == []
