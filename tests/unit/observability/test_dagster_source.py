"""What Dagster is asked, against the schema that this very version of it answers by."""

import pytest
from dagster_graphql.schema import create_schema
from graphql import parse, validate

from lakehouse.observability.metrics import SPECS
from lakehouse.observability.sources.dagster import CHECKS, JOBS, RUNS, DagsterRuns, executions_query

ONE_CHECK = executions_query([(["raw", "orders"], "freshness")])
TWO_CHECKS = executions_query([(["raw", "orders"], "freshness"), (["marts", "fct_orders_daily"], "unique_order_id")])


@pytest.mark.parametrize("query", [RUNS, JOBS, CHECKS, ONE_CHECK, TWO_CHECKS])
def test_every_question_is_one_that_dagster_answers(query: str) -> None:
    assert validate(create_schema().graphql_schema, parse(query)) == []


def test_failures_are_counted_from_nought_on(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[dict[str, str]] = []
    answers = {
        RUNS: {"runsOrError": {"__typename": "Runs", "results": runs}},
        JOBS: {"repositoriesOrError": {"nodes": [{"jobs": [{"name": "replay"}]}]}},
        CHECKS: {"assetNodes": []},
    }
    monkeypatch.setattr(DagsterRuns, "_ask", lambda _, query, __=None: answers[query])
    collect = DagsterRuns("http://127.0.0.1:1", 1.0)

    def failures() -> list[float]:
        told = [sample for family in collect() for sample in family.samples if family.name == "lakehouse_dagster_runs"]
        return [sample.value for sample in told if sample.labels == {"dagster_job": "replay", "status": "failure"}]

    assert failures() == [0]
    runs.append({"runId": "one", "jobName": "replay", "status": "FAILURE"})
    assert failures() == [1]
    assert failures() == [1]


def test_no_label_is_one_that_prometheus_writes_over() -> None:
    assert [metric.name for metric in SPECS if {"job", "instance"} & set(metric.labels)] == []
