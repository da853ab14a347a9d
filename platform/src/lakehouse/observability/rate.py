"""How many rows of a table become visible a second, by what was last measured of it."""

import time

from lakehouse.contracts.model import Contract
from lakehouse.observability.look import made_at
from lakehouse.observability.state import Measured, read_state, state_file
from lakehouse.settings import Settings

#: Longer than most tables take from one commit to the next.
_WINDOW_SECONDS = 300


def rows_per_second(settings: Settings, contract: Contract) -> float | None:
    """Of the last five minutes; None where rows do not tell when they were made, or where nobody has looked."""
    stored = read_state(state_file(settings, contract.table))
    if stored is None or (contract.transform is not None and made_at(contract) is None):
        return None
    state, now_ms = Measured.from_json(stored), int(time.time() * 1000)
    return state.since(now_ms - _WINDOW_SECONDS * 1000).count / _WINDOW_SECONDS if state.current(now_ms) else None
