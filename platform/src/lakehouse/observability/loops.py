"""Collects each source in a loop of its own, so that one which is slow or dead keeps none of the others waiting.

A scrape gives what was collected last and asks nobody. What is not known any more is absent: the metrics of a source
that failed, or that has been at it for longer than it may, would else stand still and look healthy.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from lakehouse.errors import LakehouseError
from lakehouse.observability.metrics import SOURCE_CPU, SOURCE_SECONDS, SOURCE_UP, Families

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """``collect`` is called every ``interval`` seconds, by one thread; after ``limit`` seconds it counts as down."""

    name: str
    interval: float
    limit: float
    collect: Callable[[], Families]


class Loop:
    """One source, its thread, and what it last gave."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.seconds: float | None = None
        self.cpu = 0.0
        self._began: float | None = None
        self._found: Families | None = None
        self._failed = ""

    def metrics(self) -> Families | None:
        """What was collected last; None while the source is down."""
        began = self._began
        overdue = began is not None and time.monotonic() - began > self.source.limit
        return None if overdue else self._found

    def run(self, stop: threading.Event) -> None:
        """Collects until ``stop`` is set."""
        while not stop.is_set():
            self.collect()
            stop.wait(self.source.interval)

    def collect(self) -> None:
        """Collects once. Whatever goes wrong is told once in the log, and again when it is something else."""
        started, cpu = time.monotonic(), time.thread_time()
        self._began = started
        try:
            found, failed = self.source.collect(), ""
        except (LakehouseError, OSError) as error:
            found, failed = None, str(error)
        except Exception as error:
            found, failed = None, repr(error)
            if failed != self._failed:
                _LOG.exception("source %s", self.source.name)
        if failed and failed != self._failed:
            _LOG.warning("source %s is down: %s", self.source.name, failed)
        elif self._failed and not failed:
            _LOG.info("source %s is up again", self.source.name)
        self._found, self._failed = found, failed
        self.seconds = time.monotonic() - started
        self.cpu += time.thread_time() - cpu
        self._began = None


class LoopCollector(Collector):
    """The metrics of all ``loops``, and how each of them does."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        self._loops = loops

    def describe(self) -> list[Metric]:
        """None: registering collects nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric that is known now."""
        own = Families()
        for loop in self._loops:
            name = (loop.source.name,)
            found = loop.metrics()
            own.add(SOURCE_UP, name, float(found is not None))
            own.add(SOURCE_CPU, name, loop.cpu)
            if loop.seconds is not None:
                own.add(SOURCE_SECONDS, name, loop.seconds)
            if found is not None:
                yield from found
        yield from own
