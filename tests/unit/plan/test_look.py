"""What is asked of whom, to find out what there is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import Contract, find_contract
from lakehouse.flink.rest import JobManager
from lakehouse.plan.look import Look
from lakehouse.settings import Settings
from lakehouse_spark import broker

CONTRACTS = Path(__file__).parents[3] / "streaming" / "contracts"


@pytest.fixture
def look(make_settings: Callable[..., Settings], tmp_path: Path) -> Look:
    return Look(
        make_settings(tmp_path / "state"), JobManager("http://127.0.0.1:9"), "", spark_runs=False, broker_answers=True
    )


@pytest.fixture
def no_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that has no topic, whichever it is asked for."""

    class Broker:
        def __init__(self, _servers: str, topic: str) -> None:
            self._topic = topic

        def __enter__(self) -> "Broker":
            return self

        def __exit__(self, *_error: object) -> None:
            """Holds nothing."""

        def partitions(self) -> list[int]:
            raise broker.TopicMissingError(self._topic)

    monkeypatch.setattr(broker, "TopicOffsets", Broker)


def reads(table: str | None) -> Contract:
    contract = find_contract(CONTRACTS, "streaming.order_metrics")
    return contract.model_copy(update={"source": contract.source.model_copy(update={"table": table})})


@pytest.mark.usefixtures("no_topic")
@pytest.mark.parametrize(("table", "missing"), [(None, True), ("raw.orders", False)])
def test_the_topic_of_a_query_that_reads_a_table_is_not_missed(look: Look, table: str | None, missing: bool) -> None:
    assert look.found(reads(table), []).topic_missing is missing
