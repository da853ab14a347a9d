"""The check `consumer_lag`."""

from collections.abc import Callable
from datetime import UTC, datetime

from tests.unit.components.checks.conftest import tolerating

from lakehouse.components.checks.check import Present
from lakehouse.components.checks.lag import CONSUMER_LAG
from lakehouse.contracts import Contract
from lakehouse_spark.status import QueryState, QueryStatus


def test_the_contract_says_how_many_events_may_wait(present: Callable[..., Present], orders: Contract) -> None:
    strict = tolerating(orders, consumer_lag=500)
    at_limit = CONSUMER_LAG.judge(strict, present(lags={"raw.orders": 500}))
    above = CONSUMER_LAG.judge(strict, present(lags={"raw.orders": 501}))
    assert at_limit is not None
    assert at_limit.passed
    assert above is not None
    assert not above.passed
    assert above.numbers == {"lag_events": 501, "lag_limit": 500}
    assert (
        "501 events of orders.events are still to be read, expected at most 500 (`checks.consumer_lag`)" in above.text
    )
    assert above.text.endswith("lakehouse logs spark")


def test_of_a_table_that_follows_a_table_its_query_tells(present: Callable[..., Present], orders: Contract) -> None:
    source = orders.source.model_copy(update={"topic": "", "table": "raw.visits"})
    following = orders.model_copy(update={"source": source})
    query = QueryStatus("raw.orders", QueryState.RUNNING, batch_at=datetime.now(UTC).isoformat(), lag_messages=7)
    verdict = CONSUMER_LAG.judge(following, present(lags={"raw.orders": 0}, queries={"raw.orders": query}))
    assert verdict is not None
    assert verdict.numbers["lag_events"] == 7


def test_without_an_answer_of_the_broker_nothing_is_said(present: Callable[..., Present], orders: Contract) -> None:
    assert CONSUMER_LAG.judge(orders, present()) is None
