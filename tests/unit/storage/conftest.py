"""A catalog of the test's own, and a contract to create tables from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import Contract
from lakehouse.storage import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(str(tmp_path / "tables"))


@pytest.fixture
def make_contract() -> Callable[..., Contract]:
    """A contract with a column of every type; ``overrides`` replace its fields."""

    def make(**overrides: object) -> Contract:
        fields = {
            "table": "raw.visits",
            "description": "One visit",
            "owner": "team:web",
            "freshness": "1 minute",
            "retention": "7 days",
            "source": {"topic": "visits"},
            "columns": [
                {"name": "visit_id", "type": "string", "required": True, "description": "Identifier of the visit"},
                {"name": "at", "type": "timestamp", "required": True},
                {"name": "day", "type": "date"},
                {"name": "pages", "type": "int"},
                {"name": "bytes", "type": "bigint"},
                {"name": "seconds", "type": "double"},
                {"name": "member", "type": "boolean"},
            ],
            "event_time": {"column": "at"},
        }
        return Contract.model_validate({**fields, **overrides})

    return make
