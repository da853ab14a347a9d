"""Events without a pause while something happens to whoever ingests them, and what readers of changes get of them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import pyarrow as pa

from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.manifest import Manifest
from lakehouse.generator.producer import produce
from tests.integration.flink.stack import RECOVERY_SECONDS, FlinkStack
from tests.waiting import wait_for

SEED = 20261122
#: Events a second: about 100,000 of them by the end of the faults of test_ingestion.
RATE = 1200


class Load:
    """Events into a topic, as long as the context lasts."""

    def __init__(self, flink: FlinkStack, topic: str, manifest: Path, *, rate: int = RATE) -> None:
        self.confirmed = 0
        self._settings = flink.settings
        self._rate = rate
        self._config = GeneratorConfig(rate=rate, late=0.05, duplicates=0.03, malformed=0.02, seed=SEED, topic=topic)
        self._path = manifest
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        self._producing = self._pool.submit(
            produce,
            self._settings,
            self._config,
            manifest_path=self._path,
            with_events=True,
            stop=self._stop,
            on_progress=self._show,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def finish(self) -> Manifest:
        """Ends it, and returns what was delivered."""
        self._stop.set()
        return self._producing.result(timeout=120)

    def await_more(self) -> int:
        """Returns once another second's events have been confirmed after this call: how many were in all."""
        before = self.confirmed
        more = lambda: self.confirmed > before + self._rate or self._producing.done()  # noqa: E731
        wait_for(more, f"the broker to confirm more than {before} events", RECOVERY_SECONDS)
        if self._producing.done():
            self._producing.result()
            raise AssertionError("the load ended before it was told to")
        return self.confirmed

    def _show(self, confirmed: int) -> None:
        self.confirmed = confirmed


def changes(flink: FlinkStack, table: str) -> int:
    """Rows that the change feeds of the table and its quarantine told of, from the first version on."""
    names = (table, f"{table}_rejected")
    feeds = [flink.catalog.open(name).load_cdf(starting_version=0, columns=["kafka_offset"]) for name in names]
    return sum(pa.table(feed.read_all()).num_rows for feed in feeds)
