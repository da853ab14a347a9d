"""How old the oldest event is that a table lacks: what only the broker can tell."""

from collections.abc import Sequence

from lakehouse.contracts.model import Contract
from lakehouse.observability.broker import Broker
from lakehouse.observability.freshness import ask, told
from lakehouse.observability.marts import measure_marts
from lakehouse.observability.metrics import FRESHNESS, MISSED, Families
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog


class TableFreshness:
    """Asks ``broker`` for what the tables of ``contracts`` lack, as they were last looked at."""

    def __init__(self, settings: Settings, catalog: Catalog, contracts: Sequence[Contract], broker: Broker) -> None:
        self._settings, self._catalog, self._contracts, self._broker = settings, catalog, contracts, broker

    def __call__(self) -> Families:
        """Raises BrokerError."""
        states = ask(self._settings, self._contracts, self._broker)
        found = Families()
        for contract in self._contracts:
            if (state := states.get(contract.table)) is None:
                continue
            freshness = told(contract, state)
            if freshness.age is not None:
                found.add(FRESHNESS, (contract.table,), freshness.age)
                found.add(MISSED, (contract.table,), freshness.missed_for or 0.0)
        for name, mart in measure_marts(self._settings, self._catalog, self._contracts).items():
            if mart.age is not None:
                found.add(FRESHNESS, (name,), mart.age)
        return found
