"""Latencies as a histogram that can be merged, kept in a file, and given to Prometheus as it is.

The bounds of the buckets are fixed and the same for all, so that the sum of two histograms is the histogram of both,
exactly. They grow by an eighth of an octave, so a quantile is at most 9 % off; the maximum is exact. Among them are the
coarser bounds that Prometheus gets, so that its buckets are sums of these and no guesses.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Upper bounds in milliseconds of the buckets that Prometheus gets: from the fastest commit to a lost day.
EXPORTED_MS = tuple(
    int(seconds * 1000)
    for seconds in (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 10_800, 43_200, 86_400)
)
#: Upper bounds, inclusive, from a millisecond to eleven days; what is longer shares one bucket more.
BOUNDS_MS = tuple(sorted({*EXPORTED_MS, *(round(2 ** (step / 8)) for step in range(8 * 30))}))
_BOUNDS = np.array(BOUNDS_MS, dtype=np.int64)


@dataclass
class Histogram:
    """Counts by number of bucket, the sum and the largest of the values, in milliseconds."""

    counts: dict[int, int] = field(default_factory=dict)
    total_ms: int = 0
    max_ms: int = 0

    @classmethod
    def of(cls, values_ms: NDArray[np.int64]) -> "Histogram":
        """The histogram of ``values_ms``; a negative one, of clocks that disagree, counts as 0."""
        if not len(values_ms):
            return cls()
        values = np.maximum(values_ms, 0)
        buckets, counts = np.unique(np.searchsorted(_BOUNDS, values, side="left"), return_counts=True)
        found = dict(zip(buckets.tolist(), counts.tolist(), strict=True))
        return cls(found, int(values.sum()), int(values.max()))

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def merge(self, other: "Histogram") -> None:
        """Adds what ``other`` counted."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total_ms += other.total_ms
        self.max_ms = max(self.max_ms, other.max_ms)

    def later(self, by_ms: int) -> "Histogram":
        """The histogram of the same values, each longer by ``by_ms``; a value keeps its place within 9 %."""
        moved = Histogram(total_ms=self.total_ms + by_ms * self.count, max_ms=self.max_ms + by_ms if self.counts else 0)
        for bucket, count in self.counts.items():
            low, high = _edges(bucket, self.max_ms)
            to = bisect_left(BOUNDS_MS, (low + high) // 2 + by_ms)
            moved.counts[to] = moved.counts.get(to, 0) + count
        return moved

    def quantile(self, share: float) -> float | None:
        """Seconds that ``share`` (0 to 1) of the values do not exceed, linear within a bucket; None without values."""
        wanted, passed = share * self.count, 0
        for bucket, count in sorted(self.counts.items()):
            if passed + count >= wanted:
                low, high = _edges(bucket, self.max_ms)
                return min(low + (high - low) * (wanted - passed) / count, self.max_ms) / 1000
            passed += count
        return None

    def exported(self) -> Iterator[tuple[str, float]]:
        """Prometheus' buckets: upper bound in seconds, and how many values do not exceed it."""
        for bound in EXPORTED_MS:
            last = bisect_left(BOUNDS_MS, bound)
            yield f"{bound / 1000:g}", float(sum(n for bucket, n in self.counts.items() if bucket <= last))
        yield "+Inf", float(self.count)

    def as_json(self) -> dict[str, Any]:
        return {"counts": {str(b): n for b, n in self.counts.items()}, "total_ms": self.total_ms, "max_ms": self.max_ms}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Histogram":
        return cls({int(b): n for b, n in values["counts"].items()}, values["total_ms"], values["max_ms"])


def _edges(bucket: int, max_ms: int) -> tuple[int, int]:
    """Between which values, exclusive and inclusive, those of ``bucket`` lie."""
    low = BOUNDS_MS[bucket - 1] if bucket else 0
    return low, BOUNDS_MS[bucket] if bucket < len(BOUNDS_MS) else max(max_ms, low)
