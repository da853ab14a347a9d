"""Settings and tables of the test's own."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contracts import visits_contract
from tests.event_tables import Tables

from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables


@pytest.fixture(autouse=True)
def _now(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The present of a module is that of each of its tests: what is measured compares with the clock."""
    if hasattr(request.module, "NOW"):
        monkeypatch.setattr(request.module, "NOW", int(time.time() * 1000))


@pytest.fixture
def settings(tmp_path: Path, make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(tmp_path / "state")


@pytest.fixture
def make_tables(settings: Settings) -> Callable[..., Tables]:
    """Empty tables of a contract of `raw.visits`; ``overrides`` replace its fields."""

    def make(**overrides: object) -> Tables:
        columns = [{"name": "at", "type": "timestamp", "required": True}]
        contract = visits_contract(**{"columns": columns, **overrides})
        catalog = Catalog.from_settings(settings)
        create_tables(catalog, contract)
        return Tables(catalog, contract)

    return make


@pytest.fixture
def tables(make_tables: Callable[..., Tables]) -> Tables:
    return make_tables()
