"""What a look at the platform found, as each test wants it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.components.checks.check import Present
from lakehouse.contracts import Contract, find_contract
from lakehouse.contracts.checks import Checks
from lakehouse.observability.freshness import Freshness
from lakehouse.storage import Catalog

CONTRACTS_DIR = Path(__file__).parents[4] / "streaming" / "contracts"


@pytest.fixture(scope="session")
def orders() -> Contract:
    """Spark's, with a quarantine."""
    return find_contract(CONTRACTS_DIR, "raw.orders")


@pytest.fixture(scope="session")
def metrics() -> Contract:
    """Flink's, with a table of late events."""
    return find_contract(CONTRACTS_DIR, "streaming.order_metrics_5min")


@pytest.fixture
def present(tmp_path: Path, orders: Contract, metrics: Contract) -> Callable[..., Present]:
    """Nothing is known, but for what is given."""
    return lambda **known: Present(Catalog(str(tmp_path)), [orders, metrics], **known)


def tolerating(contract: Contract, **checks: object) -> Contract:
    return contract.model_copy(update={"checks": Checks.model_validate(checks)})


def measured(table: str, events: int, invalid: int = 0, late: int = 0) -> dict[str, Freshness]:
    return {table: Freshness(table, 60.0, 180.0, 0.0, 1.0, 1.0, 1.0, events, None, invalid, late)}
