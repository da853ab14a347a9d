"""Sources that are slow, dead or broken, and those beside them."""

import threading
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.waiting import wait_for

from lakehouse.errors import LakehouseError
from lakehouse.observability.loops import Loop, LoopCollector, Source
from lakehouse.observability.metrics import SPECS, TABLE_ROWS, Families, MetricSpec


def rows(count: float) -> Families:
    found = Families()
    found.add(TABLE_ROWS, ("raw.visits",), count)
    return found


def loop(name: str, collect: Callable[[], Families], limit: float = 60.0) -> Loop:
    return Loop(Source(name, 0.01, limit, collect))


def scrape(*loops: Loop) -> dict[tuple[str, ...], float]:
    """What Prometheus gets, by name and labels."""
    registry = CollectorRegistry()
    registry.register(LoopCollector(loops))
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_a_scrape_gives_what_was_collected_last() -> None:
    counts = iter([1.0, 2.0])
    source = loop("tables", lambda: rows(next(counts)))
    for expected in (1.0, 2.0):
        source.collect()
        assert scrape(source)["lakehouse_table_rows", "raw.visits"] == expected
        assert scrape(source)["lakehouse_exporter_source_up", "tables"] == 1


def test_before_the_first_collection_a_source_is_down() -> None:
    assert scrape(loop("tables", lambda: rows(1)))["lakehouse_exporter_source_up", "tables"] == 0


@pytest.mark.parametrize("error", [LakehouseError("no answer"), ConnectionRefusedError(111), KeyError("a mistake")])
def test_what_a_failed_source_last_gave_is_absent_until_it_answers_again(error: Exception) -> None:
    answers: list[Families | Exception] = [rows(1), error, rows(3)]

    def collect() -> Families:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    source = loop("tables", collect)
    seen = []
    for _ in range(3):
        source.collect()
        found = scrape(source)
        seen.append(
            (found["lakehouse_exporter_source_up", "tables"], found.get(("lakehouse_table_rows", "raw.visits")))
        )
    assert seen == [(1, 1), (0, None), (1, 3)]


def test_a_source_that_hangs_is_down_and_holds_up_no_other() -> None:
    release, stop = threading.Event(), threading.Event()

    def hang() -> Families:
        release.wait(60)
        return Families()

    slow, quick = loop("kafka", hang, limit=0.05), loop("tables", lambda: rows(7))
    threads = [threading.Thread(target=one.run, args=(stop,)) for one in (slow, quick)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: scrape(slow, quick).get(("lakehouse_table_rows", "raw.visits")) == 7, "the quick source", 30)
        assert scrape(slow, quick)["lakehouse_exporter_source_up", "kafka"] == 0
        release.set()
        wait_for(lambda: scrape(slow)["lakehouse_exporter_source_up", "kafka"] == 1, "the slow source", 30)
    finally:
        release.set()
        stop.set()
        for thread in threads:
            thread.join(30)


def test_a_source_that_keeps_failing_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    def refuse() -> Families:
        raise LakehouseError("no answer")

    source = loop("kafka", refuse)
    for _ in range(3):
        source.collect()
    assert [record.getMessage() for record in caplog.records] == ["source kafka is down: no answer"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_names_follow_prometheus_conventions(spec: MetricSpec) -> None:
    assert spec.name.islower()
    assert (spec.kind == "counter") == spec.name.endswith("_total")
    if spec.unit == "seconds":
        assert "_seconds" in spec.name
