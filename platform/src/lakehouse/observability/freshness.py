"""How fresh each streaming table is, measured: by Kafka's timestamps, never by what a writer says of itself.

| table | latency, of the last hour | freshness: the oldest event that is not visible yet |
| --- | --- | --- |
| events (no transform) | `kafka_timestamp` to commit, each row | the first that neither table nor quarantine hold |
| events, `on_invalid: drop` | the same | the first behind the newest row and the group's offset |
| transform of a topic | `emitted_at` (or the like) to commit | the first that the consumer group has not finished |
| transform of a table | the same | not measured: it has no offsets of its own |
| dbt model | `kafka_timestamp` to commit, see `marts` | see `marts` |
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.observability.look import look
from lakehouse.observability.offsets import Held
from lakehouse.observability.positions import Position, positions
from lakehouse.observability.state import STALE_MS, Measured, locked, read_state, state_file, write_state
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog

if TYPE_CHECKING:
    from lakehouse.observability.broker import Broker

WINDOW_MS = 3_600_000
#: So many holes of a partition are looked into at a time: one message each.
_HOLES = 20
_LEAST_TOLERANCE = timedelta(minutes=1)


@dataclass(frozen=True)
class Freshness:
    """What is known of a table, in seconds; None where it is not measured, or was not for two minutes.

    ``age`` is that of the oldest event that is not visible yet, 0 when all are. ``median``, ``p95`` and ``longest`` are
    of the ``events`` of the last hour, in which ``invalid`` others went to quarantine, and ``late`` ones to a table of
    their own. ``missed_for`` is how long ``age`` has exceeded the ``contract``.
    """

    table: str
    contract: float
    tolerance: float
    age: float | None
    median: float | None
    p95: float | None
    longest: float | None
    events: int
    missed_for: float | None
    invalid: int = 0
    late: int = 0

    @property
    def failed(self) -> bool:
        """Whether the contract was missed for longer than it tolerates."""
        return self.missed_for is not None and self.missed_for >= self.tolerance


def tolerance(contract: Contract) -> timedelta:
    """How long the contract may be missed: as it says, or three times its freshness, and never below a minute."""
    return contract.tolerance or max(3 * contract.freshness, _LEAST_TOLERANCE)


def measure(
    settings: Settings, catalog: Catalog, contracts: Iterable[Contract], broker: "Broker | None"
) -> dict[str, Freshness]:
    """Looks at the tables of ``contracts``, and asks ``broker`` what they lack; without one, what was last known.

    Raises BrokerError, when the looks are stored already.
    """
    contracts = list(contracts)
    states = {contract.table: look(settings, catalog, contract) for contract in contracts}
    if broker is not None:
        states |= ask(settings, contracts, broker)
    return {contract.table: told(contract, states[contract.table]) for contract in contracts}


def ask(settings: Settings, contracts: Iterable[Contract], broker: "Broker") -> dict[str, Measured]:
    """Asks for the oldest event that each table lacks, and stores the answer. Raises BrokerError."""
    states = {}
    for contract, position in positions(contracts, broker):
        file = state_file(settings, contract.table)
        with locked(file):
            if (stored := read_state(file)) is None:
                continue
            state = Measured.from_json(stored)
            # What was committed and not read yet is visible: it would be taken for missing.
            age_ms = _age_ms(contract, state, position, broker) if state.current(_now_ms()) else None
            note_age(contract, state, age_ms, _now_ms())
            write_state(file, state.as_json())
        states[contract.table] = state
    return states


def note_age(contract: Contract, state: Measured, age_ms: int | None, now_ms: int) -> None:
    """Stores how old the oldest missing event is, and since when that is too old.

    Nobody knows how it was while nobody asked, or while the table was read half: the time begins anew behind that.
    """
    if now_ms - state.asked_ms > STALE_MS or not state.current(now_ms):
        state.missed_ms = None
    state.age_ms, state.asked_ms = age_ms, now_ms
    if age_ms is None:
        return  # What cannot be told is neither kept nor missed.
    if age_ms <= _allowed_ms(contract):
        state.missed_ms = None
    elif state.missed_ms is None:
        state.missed_ms = now_ms


def told(contract: Contract, state: Measured) -> Freshness:
    """``state`` in seconds."""
    now_ms = _now_ms()
    latencies = state.since(now_ms - WINDOW_MS)
    age_ms = state.age_at(now_ms)
    invalid, late = state.refused_since(now_ms - WINDOW_MS)
    return Freshness(
        table=contract.table,
        contract=contract.freshness.total_seconds(),
        tolerance=tolerance(contract).total_seconds(),
        age=None if age_ms is None else age_ms / 1000,
        median=latencies.quantile(0.5),
        p95=latencies.quantile(0.95),
        longest=latencies.max_ms / 1000 if latencies.count else None,
        events=latencies.count,
        missed_for=(now_ms - state.missed_ms) / 1000 if age_ms is not None and state.missed_ms is not None else None,
        invalid=invalid,
        late=late,
    )


def _age_ms(contract: Contract, state: Measured, position: Position, broker: "Broker") -> int | None:
    """The age of the oldest event that the table lacks; None where that cannot be told."""
    topic, known = contract.source.topic, False
    oldest: int | None = None
    missing: dict[int, int] = {}
    for partition, (beginning, end) in position.ranges.items():
        following = _following(contract, state, partition, beginning, end, position.committed)
        known = known or following is not None
        if following is not None and following < end:
            missing[partition] = max(following, beginning)
    for _ in range(_HOLES):
        if not missing:
            break
        again = {}
        for partition, (offset, timestamp) in broker.messages(topic, missing).items():
            held = state.held.get(partition)
            if contract.transform is None and held is not None and offset > missing[partition]:
                # No message was there: the marker of a transaction, or an event that expired.
                held.close(missing[partition], offset)
                if (following := held.following) is not None and following > offset:
                    if following < position.ranges[partition][1]:
                        again[partition] = following
                    continue
            oldest = timestamp if oldest is None else min(oldest, timestamp)
        missing = again
    if not known:
        return None
    age_ms = 0 if oldest is None else max(_now_ms() - oldest, 0)
    # An older event may be in the holes that are left for the next time. What is a miss already is one all the same.
    return None if missing and age_ms <= _allowed_ms(contract) else age_ms


def _following(
    contract: Contract, state: Measured, partition: int, beginning: int, end: int, committed: Mapping[int, int]
) -> int | None:
    """The first offset of ``partition`` that is not done with, as far as rows and the group tell."""
    earliest = beginning if contract.source.starting_offsets == "earliest" else None
    if contract.transform is not None:
        return committed.get(partition, earliest)
    held = state.held.setdefault(partition, Held())
    if held.end is not None and held.end > end:
        # The topic was created again: its offsets mean other events than those that the table holds.
        held = state.held[partition] = Held()
        held.start_at(min(committed.get(partition, beginning), end))
    if held.begin is None:
        begin = earliest if state.began_empty else None
        if begin is None:
            begin = committed.get(partition, held.ranges[0][0] if held.ranges else None)
        if begin is None:
            return None
        held.start_at(begin)
    if held.following is not None and held.following < beginning:
        # Expired: whoever had not read it by then never will, which is told as a loss and not as a delay.
        held.close(held.following, beginning)
    if contract.on_invalid is OnInvalid.DROP:
        held.start_at(max(held.following or 0, committed.get(partition, 0)))
    return held.following


def _allowed_ms(contract: Contract) -> int:
    return int(contract.freshness / timedelta(milliseconds=1))


def _now_ms() -> int:
    return int(time.time() * 1000)
