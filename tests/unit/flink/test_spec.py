"""What the JobManager is told of a contract."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contracts import visits_contract

from lakehouse.contracts import Contract, Engine, load_contracts
from lakehouse.flink.spec import FINGERPRINT, checkpoint_interval, contract_json, flink_contracts, job_spec
from lakehouse.settings import Settings, load_settings

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def _option(arguments: tuple[str, ...], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def _transformed(**transform: str) -> Contract:
    return visits_contract(
        COLUMNS,
        freshness="5 seconds",
        source={"topic": "visits", "columns": COLUMNS, "event_time": "at"},
        transform=transform,
        on_invalid="drop",
    )


def test_a_plain_contract_is_ingested(settings: Settings) -> None:
    spec = job_spec(settings, visits_contract(COLUMNS, freshness="5 seconds"), "code")
    assert spec.entry_class == "io.lakehouse.flink.jobs.IngestionJob"
    assert _option(spec.arguments, "--tables") == settings.root
    assert _option(spec.arguments, "--parallelism") == "1"
    assert _option(spec.arguments, "--bootstrap-servers") == settings.kafka_bootstrap_servers
    assert spec.configuration["execution.checkpointing.dir"] == f"file://{settings.checkpoint_root}/flink/raw.visits"
    assert spec.configuration["pipeline.global-job-parameters"] == f"{FINGERPRINT}:{spec.fingerprint}"


def test_what_a_job_is_told_of_s3_and_kafka_holds_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    secured = {"kafka_security_protocol": "SASL_SSL", "kafka_sasl_username": "ann", "kafka_sasl_password": "hunter3"}
    remote = load_settings({**settings.model_dump(), "root": "s3://bucket/lake", "checkpoint_root": "", **secured})
    spec = job_spec(remote, visits_contract(COLUMNS, freshness="5 seconds"), "code")
    assert _option(spec.arguments, "--hadoop.fs.s3a.endpoint") == "http://store:9000"
    assert _option(spec.arguments, "--kafka.security.protocol") == "SASL_SSL"
    location = "s3a://bucket/lake/_checkpoints/flink/raw.visits"
    assert spec.configuration["execution.checkpointing.dir"] == location
    assert "hunter" not in " ".join(spec.arguments)


def test_a_job_class_is_its_own_entry(settings: Settings) -> None:
    spec = job_spec(settings, _transformed(job="io.example.VisitsJob"), "code")
    assert spec.entry_class == "io.example.VisitsJob"


def test_a_script_gets_the_database_and_no_password(settings: Settings, tmp_path: Path) -> None:
    sql = tmp_path / "streaming" / "flink" / "sql"
    sql.mkdir(parents=True)
    (sql / "visits.sql").write_text("INSERT INTO a SELECT * FROM b")
    there = settings.model_copy(update={"home": tmp_path, "postgres_password": "secret"})
    spec = job_spec(there, _transformed(sql="visits.sql"), "code")
    assert spec.entry_class == "io.lakehouse.flink.jobs.SqlJob"
    assert _option(spec.arguments, "--script") == str(sql / "visits.sql")
    assert "secret" not in " ".join(spec.arguments)
    before = spec.fingerprint
    (sql / "visits.sql").write_text("INSERT INTO a SELECT * FROM c")
    assert job_spec(there, _transformed(sql="visits.sql"), "code").fingerprint != before


def test_whatever_makes_the_job_another_one_changes_its_fingerprint(settings: Settings) -> None:
    contract = visits_contract(COLUMNS, freshness="5 seconds")
    fingerprints = {
        job_spec(settings, contract, "code").fingerprint,
        job_spec(settings, contract, "other code").fingerprint,
        job_spec(settings, visits_contract(COLUMNS, freshness="6 seconds"), "code").fingerprint,
        job_spec(settings, visits_contract(COLUMNS, freshness="5 seconds", parallelism=2), "code").fingerprint,
        job_spec(settings.model_copy(update={"kafka_bootstrap_servers": "a:1"}), contract, "code").fingerprint,
    }
    assert len(fingerprints) == 5
    assert job_spec(settings, contract, "code").fingerprint in fingerprints


@pytest.mark.parametrize(
    ("freshness", "interval"),
    [(timedelta(seconds=1), timedelta(seconds=1)), (timedelta(seconds=30), timedelta(seconds=5))],
)
def test_checkpoints_come_well_within_the_freshness(freshness: timedelta, interval: timedelta) -> None:
    assert checkpoint_interval(freshness) == interval


def test_the_json_holds_the_fields_of_the_events_too(settings: Settings) -> None:
    contracts = {contract.table: contract for contract in load_contracts(settings.contracts_dir)}
    told = json.loads(contract_json(contracts["streaming.order_metrics_5min"]))
    assert [column["name"] for column in told["source"]["columns"]][:2] == ["order_id", "customer_id"]
    assert told["source"]["event_time"] == "event_time"
    assert told["transform"]["window"] == "5 minutes"
    assert "engine" in told
    assert None not in told.values()


def test_only_what_flink_serves_becomes_a_job() -> None:
    slow, fast = visits_contract(COLUMNS), visits_contract(COLUMNS, freshness="1 s", table="raw.fast")
    assert [c.table for c in flink_contracts([slow, fast])] == ["raw.fast"]
    assert slow.resolved_engine is Engine.SPARK
