"""Which offsets of a Kafka partition a table holds, as ranges: the first that it lacks is where its readers stand.

Writers commit batches in order, so there is mostly one range. Others come about while quarantine is ahead of the table,
where a commit came out of order, and where offsets hold no message: markers of a transaction, or what expired.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: There are more holes where a topic is written in transactions of a few messages, and for a moment where many events
#: of a batch are rejected. Nobody waits for the oldest.
_MOST_RANGES = 1000


@dataclass
class Held:
    """The offsets of one partition. ``ranges`` are disjoint and sorted, from (inclusive) and to (exclusive).

    ``begin`` is the offset below which all counts as held, whether it was seen or not; None while nobody knows.
    """

    ranges: list[tuple[int, int]] = field(default_factory=list)
    begin: int | None = None

    @property
    def following(self) -> int | None:
        """The first offset that is not held, behind all that are; None while nobody knows where these begin."""
        if self.begin is None:
            return None
        first = self.ranges[0] if self.ranges else (self.begin, self.begin)
        return max(first[1], self.begin) if first[0] <= self.begin else self.begin

    @property
    def end(self) -> int | None:
        """The offset behind the newest that is held; None where none is."""
        return self.ranges[-1][1] if self.ranges else self.begin

    def start_at(self, offset: int) -> None:
        """All below ``offset`` counts as held."""
        self.begin = offset
        self._merge([(offset, offset)])

    def close(self, start: int, end: int) -> None:
        """Offsets ``start`` (inclusive) to ``end`` (exclusive) hold no message: nothing has to be waited for."""
        if end > start:
            self._merge([(start, end)])

    def add(self, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Holds ``offsets`` too. Which of them are new: neither held before nor twice among them.

        An offset below ``begin`` is new as well: it was not seen.
        """
        new = ~self._contain(offsets)
        _, first = np.unique(offsets, return_index=True)
        once = np.zeros(len(offsets), dtype=bool)
        once[first] = True
        fresh = np.sort(offsets[new & once])
        if self.begin is not None:
            fresh = fresh[fresh >= self.begin]
        if len(fresh):
            breaks = np.flatnonzero(np.diff(fresh) > 1)
            starts = fresh[np.concatenate(([0], breaks + 1))]
            ends = fresh[np.concatenate((breaks, [len(fresh) - 1]))] + 1
            self._merge(list(zip(starts.tolist(), ends.tolist(), strict=True)))
        return new & once

    def _contain(self, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        if not self.ranges:
            return np.zeros(len(offsets), dtype=bool)
        ranges = np.array(self.ranges, dtype=np.int64)
        at = np.searchsorted(ranges[:, 0], offsets, side="right") - 1
        held: NDArray[np.bool_] = (at >= 0) & (offsets < ranges[np.maximum(at, 0), 1])
        return held

    def _merge(self, added: list[tuple[int, int]]) -> None:
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*self.ranges, *added]):
            if self.begin is not None and end < self.begin:
                continue
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        if (surplus := len(merged) - _MOST_RANGES) > 0:
            # Not held: what fills these holes after all, as the rest of a batch of which quarantine has the first part,
            # has not been seen before.
            merged = merged[surplus:]
            self.begin = merged[0][0]
        self.ranges = merged

    def as_json(self) -> dict[str, Any]:
        return {"ranges": self.ranges, "begin": self.begin}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Held":
        return cls([(start, end) for start, end in values["ranges"]], values["begin"])
