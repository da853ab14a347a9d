"""The exporter: a process of its own that tells Prometheus how Kafka, the tables and Dagster do.

    python -m lakehouse.observability.exporter

Serves `/metrics` at the settings `exporter_host` and `exporter_port`. It needs nothing to run: what is down is told.
"""

import logging
import signal
import threading
from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server

from lakehouse.contracts import Contract, load_contracts
from lakehouse.logging_format import log_to_stderr
from lakehouse.observability.broker import Broker
from lakehouse.observability.loops import Loop, LoopCollector, Source
from lakehouse.observability.metrics import Families
from lakehouse.observability.sources.dagster import DagsterRuns
from lakehouse.observability.sources.freshness import TableFreshness
from lakehouse.observability.sources.kafka import GroupLag
from lakehouse.observability.sources.latency import TableLatency
from lakehouse.observability.sources.store import StoreSpace
from lakehouse.observability.sources.tables import TableSizes
from lakehouse.settings import Settings, load_settings
from lakehouse.storage.catalog import Catalog

#: As often as Prometheus scrapes by default.
_EVERY_SECONDS = 15.0
#: Dagster answers a question for each check from its database.
_DAGSTER_SECONDS = 60.0
#: A question to the broker or to Dagster. The time of a source is for several.
_QUESTION_SECONDS = 5.0
_LIMIT_SECONDS = 30.0


def sources(settings: Settings, contracts: Sequence[Contract]) -> list[Source]:
    """Every source. Each has connections of its own, for it has a thread of its own."""
    catalog = Catalog.from_settings(settings)
    every: dict[str, Callable[[], Families]] = {
        "kafka": GroupLag(Broker(settings.kafka, _QUESTION_SECONDS)),
        "store": StoreSpace(settings.root),
        "tables": TableSizes(catalog),
        "latency": TableLatency(settings, catalog, contracts),
        "freshness": TableFreshness(settings, catalog, contracts, Broker(settings.kafka, _QUESTION_SECONDS)),
    }
    dagster = Source("dagster", _DAGSTER_SECONDS, _LIMIT_SECONDS, DagsterRuns(settings.dagster_url, _QUESTION_SECONDS))
    return [*(Source(name, _EVERY_SECONDS, _LIMIT_SECONDS, collect) for name, collect in every.items()), dagster]


def serve(settings: Settings, stop: threading.Event) -> None:
    """Collects and serves until ``stop`` is set. Raises OSError when the port is taken."""
    loops = [Loop(source) for source in sources(settings, load_contracts(settings.contracts_dir))]
    registry = CollectorRegistry()
    registry.register(LoopCollector(loops))
    ProcessCollector(registry=registry)
    server, _ = start_http_server(settings.exporter_port, settings.exporter_host, registry)
    # Daemons: one that waits for a broker keeps nobody from ending.
    for loop in loops:
        threading.Thread(target=loop.run, args=(stop,), name=loop.source.name, daemon=True).start()
    stop.wait()
    server.shutdown()


def main() -> None:
    """Runs until SIGTERM or Ctrl-C."""
    log_to_stderr()
    # It logs each of its attempts; that a broker is down is told once, by the loop.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(load_settings(), stop)


if __name__ == "__main__":
    main()
