"""A catalog of the test's own, and a contract to create tables from."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contracts import visits_contract

from lakehouse.contracts import Contract
from lakehouse.storage import Catalog

#: One of every type.
COLUMNS = [
    {"name": "visit_id", "type": "string", "required": True, "description": "Identifier of the visit"},
    {"name": "at", "type": "timestamp", "required": True},
    {"name": "day", "type": "date"},
    {"name": "pages", "type": "int"},
    {"name": "bytes", "type": "bigint"},
    {"name": "seconds", "type": "double"},
    {"name": "member", "type": "boolean"},
]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(str(tmp_path / "tables"))


@pytest.fixture
def make_contract() -> Callable[..., Contract]:
    """A contract with a column of every type; ``overrides`` replace its fields."""

    def make(**overrides: object) -> Contract:
        return visits_contract(**{"columns": COLUMNS, **overrides})

    return make
