"""Which event is sent in which turn (slot) of the stream, one window of slots after another.

Slot ``i`` stands for the time ``start + i * step``. A window holds, in a shuffled but legal order: events of
open orders whose turn has come, newly placed orders, uploads of late orders, repetitions, and messages to be
corrupted. An order whose life is longer than the stream simply stays open.
"""

from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lakehouse.generator import orders
from lakehouse.generator.config import GeneratorConfig

#: One event; ``slot`` is its (earliest) turn, times are in milliseconds since the epoch.
EVENT = np.dtype(
    [("slot", "i8"), ("order", "u8"), ("status", "i1"), ("event_ms", "i8"), ("created_ms", "i8"), ("late", "?")]
)
Events = NDArray[np.void]

MIN_LATENESS_MS = 11 * 60 * 1000
MAX_LATENESS_MS = 2 * 24 * 3600 * 1000

#: Backlogs of open orders must not starve new ones.
_MIN_NEW_SHARE = 0.2
#: Late events come as uploads of shops that were offline, some orders at a time.
_UPLOAD = 8
_HISTORY = 20_000


class Role(IntEnum):
    """Why a message is in the stream."""

    DUE = 0
    NEW = 1
    LATE = 2
    DUPLICATE = 3
    MALFORMED = 4


class Schedule:
    """The endless or finite plan of one stream. Iterate `windows` once."""

    def __init__(self, config: GeneratorConfig) -> None:
        self._config = config
        self._rng = np.random.Generator(np.random.PCG64(config.seed))
        self._id_base = int(orders.mix(np.array([config.seed], dtype=np.uint64), stream=99)[0])
        self._orders_made = 0
        self._open = np.empty(0, dtype=EVENT)
        self._history = np.empty(0, dtype=EVENT)
        self._sent = dict.fromkeys(Role, 0)

    def windows(self) -> Iterator[tuple[Events, NDArray[np.int8]]]:
        """Events in sending order with their `Role`; a malformed message carries the event that it garbles."""
        begin = 0
        while self._config.events is None or begin < self._config.events:
            end = begin + self._config.window
            if self._config.events is not None:
                end = min(end, self._config.events)
            yield self._window(begin, end)
            begin = end

    def _window(self, begin: int, end: int) -> tuple[Events, NDArray[np.int8]]:
        size = end - begin
        malformed = duplicates = 0
        if len(self._history):
            malformed = min(size, self._owed(Role.MALFORMED, self._config.malformed, end))
            duplicates = min(size - malformed, self._owed(Role.DUPLICATE, self._config.duplicates, end))
        fresh = size - malformed - duplicates
        late = self._late_share(fresh, is_last=end == self._config.events)
        most_due = (fresh - late) - int((fresh - late) * _MIN_NEW_SHARE)
        due = min(int(np.searchsorted(self._open["slot"], end)), most_due)
        counts = {
            Role.DUE: due,
            Role.NEW: fresh - late - due,
            Role.LATE: late,
            Role.DUPLICATE: duplicates,
            Role.MALFORMED: malformed,
        }
        roles = np.repeat(np.array(list(counts), dtype=np.int8), list(counts.values()))
        self._rng.shuffle(roles)

        events = np.zeros(size, dtype=EVENT)
        slots = np.arange(begin, end)
        for role, count in counts.items():
            self._sent[role] += count
            if count:
                events[roles == role] = self._events(role, slots[roles == role])
        self._remember(events[roles <= Role.LATE])
        return events, roles

    def _owed(self, role: Role, fraction: float, end: int) -> int:
        return max(0, int(end * fraction + 1e-9) - self._sent[role])

    def _late_share(self, fresh: int, *, is_last: bool) -> int:
        before = self._sent[Role.DUE] + self._sent[Role.NEW] + self._sent[Role.LATE]
        owed = min(fresh, int((before + fresh) * self._config.late + 1e-9) - self._sent[Role.LATE])
        return owed if is_last or owed >= min(_UPLOAD, fresh) else 0

    def _events(self, role: Role, slots: NDArray[np.int64]) -> Events:
        match role:
            case Role.DUE:
                return self._take_due(slots)
            case Role.NEW:
                return self._place(slots)
            case Role.LATE:
                return self._upload(slots)
            case _:
                return self._history[self._rng.integers(len(self._history), size=len(slots))]

    def _slot_ms(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._config.start_ms + (slots * self._config.step_ms).astype(np.int64)

    def _new_orders(self, count: int) -> orders.U64:
        # mix() is a bijection, so ids are unique within a stream, and as good as unique between seeds.
        index = np.arange(self._orders_made, self._orders_made + count, dtype=np.uint64)
        self._orders_made += count
        return orders.mix(index + np.uint64(self._id_base))

    def _take_due(self, slots: NDArray[np.int64]) -> Events:
        taken, self._open = self._open[: len(slots)].copy(), self._open[len(slots) :]
        taken["event_ms"] = self._slot_ms(slots) - orders.clock_skew_ms(taken["order"])
        return taken

    def _place(self, slots: NDArray[np.int64]) -> Events:
        """New orders at ``slots``; the rest of their lives joins the open events."""
        placed = np.zeros(len(slots), dtype=EVENT)
        placed["slot"] = slots
        placed["order"] = self._new_orders(len(slots))
        placed["status"] = orders.Status.PLACED
        placed["event_ms"] = self._slot_ms(slots) - orders.clock_skew_ms(placed["order"])
        placed["created_ms"] = placed["event_ms"]

        statuses, ages = orders.lives(placed["order"], self._rng)
        # Early orders live faster: the stream begins with no open orders and would otherwise swing between
        # floods of placing and floods of shipping.
        lifetime = np.minimum(self._config.lifetime_slots, 1 + slots / 2)
        order, step = np.nonzero(statuses[:, 1:] != orders.NO_EVENT)
        follow = placed[order]
        follow["status"] = statuses[order, step + 1]
        follow["slot"] += (ages[order, step + 1] * lifetime[order]).astype(np.int64) + step + 1
        waiting = np.concatenate([self._open, follow])
        self._open = waiting[np.argsort(waiting["slot"], kind="stable")]
        return placed

    def _upload(self, slots: NDArray[np.int64]) -> Events:
        """Events of orders that a shop took while offline: their times are past, and they come in any order."""
        made = self._new_orders(len(slots))
        statuses, ages = orders.lives(made, self._rng)
        order, step = np.nonzero(statuses != orders.NO_EVENT)
        order, step = order[: len(slots)], step[: len(slots)]
        used = int(order[-1]) + 1
        self._orders_made -= len(slots) - used

        ratio = MAX_LATENESS_MS / MIN_LATENESS_MS
        lateness = MIN_LATENESS_MS * ratio ** self._rng.random(used)
        lifetime_ms = self._config.lifetime_slots * self._config.step_ms
        newest = self._slot_ms(slots[:1]) - lateness.astype(np.int64)
        # A millisecond a step keeps an order's events apart, however short its life.
        offsets = (ages[:used] * lifetime_ms).astype(np.int64) + np.arange(orders.LONGEST_LIFE)
        placed_ms = newest - offsets.max(axis=1)

        rows = np.zeros(len(slots), dtype=EVENT)
        rows["order"] = made[order]
        rows["status"] = statuses[order, step]
        rows["event_ms"] = placed_ms[order] + offsets[order, step]
        rows["created_ms"] = placed_ms[order]
        rows["late"] = True
        self._rng.shuffle(rows)
        return rows

    def _remember(self, originals: Events) -> None:
        self._history = np.concatenate([self._history, originals])[-_HISTORY:]
