"""Event → visible, duplicates, quarantine and late events: what tables tell by themselves, without a broker."""

from collections.abc import Sequence

from lakehouse.contracts.model import Contract
from lakehouse.observability.freshness import tolerance
from lakehouse.observability.histogram import Histogram
from lakehouse.observability.look import LOST, look, made_at
from lakehouse.observability.marts import measure_marts
from lakehouse.observability.metrics import CONTRACT, DUPLICATES, LATE, LATENCY, REJECTED, TOLERANCE, Families
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog


class TableLatency:
    """Looks at the tables of ``contracts``, and at dbt's tables downstream of them."""

    def __init__(self, settings: Settings, catalog: Catalog, contracts: Sequence[Contract]) -> None:
        self._settings, self._catalog, self._contracts = settings, catalog, contracts

    def __call__(self) -> Families:
        """Raises StoreError."""
        found = Families()
        for contract in self._contracts:
            state, table = look(self._settings, self._catalog, contract), (contract.table,)
            found.add(CONTRACT, table, contract.freshness.total_seconds())
            found.add(TOLERANCE, table, tolerance(contract).total_seconds())
            if contract.table not in state.positions:
                continue  # Its writer has not made it yet: there is nothing to tell.
            if contract.transform is None or made_at(contract) is not None:
                _add(found, contract.table, state.totals)
            if contract.transform is None:
                found.add(DUPLICATES, table, state.duplicates)
            if contract.late is not None:
                found.add(LATE, table, state.late)
            # Losses from nought on: the first one is seen as growth.
            for reason, count in sorted({LOST: 0, **state.rejected}.items()):
                found.add(REJECTED, (contract.table, reason), count)
        for name, mart in measure_marts(self._settings, self._catalog, self._contracts).items():
            _add(found, name, mart.totals)
        return found


def _add(found: Families, table: str, latencies: Histogram) -> None:
    found.add_histogram(LATENCY, (table,), list(latencies.exported()), latencies.total_ms / 1000)
