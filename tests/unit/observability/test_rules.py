"""Each alert fires when it should and is silent when all is well, as promtool computes it."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.contracts import load_contracts
from lakehouse.observability.rules import alerts, rule_groups

REPOSITORY = Path(__file__).parents[3]
CONTRACTS = load_contracts(REPOSITORY / "streaming" / "contracts")
FLINK, SPARK = "streaming.order_metrics_5min", "streaming.order_metrics"
JOB = '{job_name="streaming_order_metrics_5min"}'
QUERY = f'{{table="{SPARK}"}}'
NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is missing: apt-get install prometheus"
)


@dataclass(frozen=True)
class Case:
    """Series, a value a minute in promtool's notation, of which ``alert`` fires or does not after ``minutes``.

    ``labels`` are those by which it is known among others of its name.
    """

    alert: str
    fires: dict[str, str]
    silent: dict[str, str]
    minutes: int = 60
    labels: dict[str, str] = field(default_factory=dict)


GROUP = '{consumergroup="lakehouse.raw.orders",topic="orders.events",partition="0"}'
OTHER_GROUP = GROUP.replace("lakehouse.raw.orders", "somebody")
ORDERS = '{table="raw.orders"}'
REJECTED = 'lakehouse_table_rejected_events_total{table="raw.orders",reason="not_json"}'
LOST = 'lakehouse_table_rejected_events_total{table="raw.orders",reason="offsets_lost"}'
READ = f"kafka_consumergroup_current_offset{GROUP}"
LATE = f'lakehouse_table_late_events_total{{table="{FLINK}"}}'
WINDOWS = f'lakehouse_table_latency_seconds_count{{table="{FLINK}"}}'
READ_FOR_WINDOWS = READ.replace("raw.orders", FLINK)
#: A time that goes on as the evaluation's own does, in the unit of the metric.
NOW_MS, NOW_S = "0+60000x60", "0+60x60"
STANDS_STILL_MS = "1000x60"

CASES = [
    Case(
        "KafkaConsumerLagHigh",
        # The contract of raw.orders allows a minute.
        fires={f"kafka_consumergroup_lag_seconds{GROUP}": "61x60"},
        silent={
            f"kafka_consumergroup_lag_seconds{GROUP}": "60x60",
            f"kafka_consumergroup_lag_seconds{OTHER_GROUP}": "900x60",
        },
        labels={"table": "raw.orders"},
    ),
    Case(
        "KafkaConsumerLagGrowing",
        fires={f"kafka_consumergroup_lag{GROUP}": "0+31000x60"},
        silent={f"kafka_consumergroup_lag{GROUP}": "0+29000x60"},
    ),
    Case(
        "FlinkCheckpointFailing",
        fires={f"flink_jobmanager_job_numberOfFailedCheckpoints{JOB}": "0+1x60"},
        silent={f"flink_jobmanager_job_numberOfFailedCheckpoints{JOB}": "0+1x30 30x30"},
    ),
    Case(
        "FlinkBackpressure",
        fires={f"flink_taskmanager_job_task_backPressuredTimeMsPerSecond{JOB}": "900x60"},
        silent={f"flink_taskmanager_job_task_backPressuredTimeMsPerSecond{JOB}": "100x60"},
    ),
    Case(
        "FlinkJobRestarting",
        fires={f"flink_jobmanager_job_numRestarts{JOB}": "0+1x60"},
        silent={f"flink_jobmanager_job_numRestarts{JOB}": "0x50 1x10"},
    ),
    Case(
        "SparkQueryFailing",
        fires={f"lakehouse_spark_query_failures_total{QUERY}": "0+1x60"},
        silent={f"lakehouse_spark_query_failures_total{QUERY}": "0x50 1x10"},
    ),
    Case(
        "ContractMissed",
        fires={
            f"lakehouse_table_contract_missed_seconds{ORDERS}": "181x60",
            f"lakehouse_contract_tolerance_seconds{ORDERS}": "180x60",
        },
        silent={
            f"lakehouse_table_contract_missed_seconds{ORDERS}": "179x60",
            f"lakehouse_contract_tolerance_seconds{ORDERS}": "180x60",
        },
    ),
    Case(
        "EventsLost",
        fires={LOST: "_x60 1x40"},
        # What was lost long ago was told then.
        silent={LOST: "1x90"},
        minutes=90,
    ),
    Case(
        "EventsLost",
        # The exporter was away for two hours. In the one nothing was lost meanwhile, in the other two were.
        fires={LOST: "1x59 _x120 3x60"},
        silent={LOST: "1x59 _x120 1x90"},
        minutes=200,
    ),
    Case(
        "EventsLost",
        # A minute before, nothing was there for an hour: a gap an hour ago is no first sample.
        fires={LOST: "_x200 1x20"},
        silent={LOST: "1x59 _x30 1x120"},
        minutes=210,
    ),
    Case(
        "EventsLost",
        # The exporter's state was lost with its disk, and it counts anew.
        fires={LOST: "5x59 _x60 0x10 1x30"},
        silent={LOST: "5x59 _x60 0x60"},
        minutes=150,
    ),
    Case(
        "EventsLost",
        # As many as were told of before, but others.
        fires={LOST: "1x59 _x60 0x10 1x30"},
        silent={LOST: "1x59 0x90"},
        minutes=150,
    ),
    Case(
        "EventsDuplicated",
        fires={f"lakehouse_table_duplicate_events_total{ORDERS}": "0x50 1x10"},
        silent={f"lakehouse_table_duplicate_events_total{ORDERS}": "5x60"},
    ),
    Case(
        "QuarantineRatioHigh",
        fires={REJECTED: "0+2x60", READ: "0+100x60"},
        silent={REJECTED: "0+1x60", READ: "0+1000x60", LOST: "0+50x60"},
        labels={"table": "raw.orders"},
    ),
    Case(
        "LateRatioHigh",
        fires={LATE: "0+2x60", READ_FOR_WINDOWS: "0+100x60"},
        # Of the events, and not of the few windows that they make.
        silent={LATE: "0+1x60", READ_FOR_WINDOWS: "0+1000x60", WINDOWS: "0+1x60"},
        labels={"table": FLINK},
    ),
    Case(
        "SmallFiles",
        fires={
            f"lakehouse_table_small_file_ratio{ORDERS}": "0.9x1600",
            f"lakehouse_table_files{ORDERS}": "2000x1600",
        },
        silent={f"lakehouse_table_small_file_ratio{ORDERS}": "0.9x1600", f"lakehouse_table_files{ORDERS}": "900x1600"},
        minutes=1500,
    ),
    Case(
        "DagsterRunFailed",
        # The first failure since the exporter began.
        fires={'lakehouse_dagster_runs_total{dagster_job="replay",status="failure"}': "_x50 1x10"},
        silent={
            'lakehouse_dagster_runs_total{dagster_job="replay",status="failure"}': "1x60",
            'lakehouse_dagster_runs_total{dagster_job="replay",status="success"}': "0+1x60",
        },
    ),
    Case(
        "DagsterRunFailed",
        # The exporter counts from its own start: after a restart, a failure makes the same number as one before it.
        fires={'lakehouse_dagster_runs_total{dagster_job="replay",status="failure"}': "1x30 _x10 0x10 1x10"},
        silent={'lakehouse_dagster_runs_total{dagster_job="replay",status="failure"}': "1x20 _x10 1x30"},
    ),
    Case(
        "AssetCheckFailing",
        fires={'lakehouse_dagster_asset_check_passed{asset="raw/orders",check="freshness",severity="error"}': "0x60"},
        silent={
            'lakehouse_dagster_asset_check_passed{asset="raw/orders",check="freshness",severity="error"}': "1x60",
            'lakehouse_dagster_asset_check_passed{asset="raw/orders",check="fit",severity="warn"}': "0x60",
        },
    ),
    Case(
        "DiskFilling",
        fires={"lakehouse_store_free_bytes": "50x60", "lakehouse_store_size_bytes": "1000x60"},
        silent={"lakehouse_store_free_bytes": "500x60", "lakehouse_store_size_bytes": "1000x60"},
    ),
    Case(
        "ExporterDown",
        fires={'up{job="lakehouse",instance="a"}': "1x30 0x30"},
        silent={'up{job="lakehouse",instance="a"}': "1x60"},
    ),
    Case(
        "ExporterSourceDown",
        fires={'lakehouse_exporter_source_up{source="kafka"}': "0x60"},
        silent={'lakehouse_exporter_source_up{source="kafka"}': "1x60"},
    ),
    Case(
        "WriterDown",
        fires={f"lakehouse_spark_query_running{QUERY}": "1x30 0x30"},
        silent={f"lakehouse_spark_query_running{QUERY}": "1x60"},
        labels={"table": SPARK},
    ),
    Case(
        "FlinkCheckpointSlow",
        fires={f"flink_jobmanager_job_lastCheckpointDuration{JOB}": "900x60"},
        silent={f"flink_jobmanager_job_lastCheckpointDuration{JOB}": "300x60"},
        labels={"table": FLINK},
    ),
    Case(
        "FlinkCheckpointOld",
        fires={f"flink_jobmanager_job_lastCheckpointCompletedTimestamp{JOB}": STANDS_STILL_MS},
        silent={f"flink_jobmanager_job_lastCheckpointCompletedTimestamp{JOB}": NOW_MS},
        labels={"table": FLINK},
    ),
    Case(
        "FlinkCheckpointOld",
        # Flink reports -1 before a job's first checkpoint: one that began 4 minutes ago may still make it, and
        # one that has run for an hour has made none.
        fires={
            f"flink_jobmanager_job_lastCheckpointCompletedTimestamp{JOB}": "-1x60",
            f"flink_jobmanager_job_runningTime{JOB}": NOW_MS,
        },
        silent={
            f"flink_jobmanager_job_lastCheckpointCompletedTimestamp{JOB}": "_x55 -1x5",
            f"flink_jobmanager_job_runningTime{JOB}": "_x55 0+60000x5",
        },
        labels={"table": FLINK},
    ),
    Case(
        "FlinkCheckpointOld",
        # How long a job has run says nothing once it has made checkpoints.
        fires={
            f"flink_jobmanager_job_lastCheckpointCompletedTimestamp{JOB}": STANDS_STILL_MS,
            f"flink_jobmanager_job_runningTime{JOB}": "1x60",
        },
        silent={
            f"flink_jobmanager_job_lastCheckpointCompletedTimestamp{JOB}": NOW_MS,
            f"flink_jobmanager_job_runningTime{JOB}": NOW_MS,
        },
        labels={"table": FLINK},
    ),
    Case(
        "WatermarkOld",
        fires={
            f"flink_taskmanager_job_task_currentInputWatermark{JOB}": STANDS_STILL_MS,
            f"flink_taskmanager_job_task_numRecordsIn{JOB}": "0+100x60",
        },
        silent={
            f"flink_taskmanager_job_task_currentInputWatermark{JOB}": STANDS_STILL_MS,
            f"flink_taskmanager_job_task_numRecordsIn{JOB}": "100x60",
        },
        labels={"table": FLINK},
    ),
    Case(
        "WriterDown",
        fires={},
        silent={f"flink_jobmanager_job_runningTime{JOB}": NOW_MS.replace("0+", "1+")},
        labels={"table": FLINK},
    ),
    Case(
        "WatermarkOld",
        fires={
            f"lakehouse_spark_watermark_timestamp_seconds{QUERY}": "1x60",
            f"lakehouse_spark_input_rows_per_second{QUERY}": "7x60",
        },
        silent={
            f"lakehouse_spark_watermark_timestamp_seconds{QUERY}": NOW_S,
            f"lakehouse_spark_input_rows_per_second{QUERY}": "7x60",
        },
        labels={"table": SPARK},
    ),
]


def test_every_alert_is_tried() -> None:
    assert {alert.name for alert in alerts(CONTRACTS)} == {case.alert for case in CASES}


@pytest.mark.parametrize("name", sorted({alert.name for alert in alerts(CONTRACTS)}))
def test_every_alert_has_a_runbook_that_says_what_to_look_at_and_what_to_do(name: str) -> None:
    text = (REPOSITORY / "docs" / "runbooks" / f"{name}.md").read_text(encoding="utf-8")
    sections = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert text.startswith(f"# {name}\n")
    assert sections == ["What it means", "What to look at", "What to do"]


@NEEDS_PROMTOOL
def test_prometheus_takes_the_rules() -> None:
    file = REPOSITORY / "deploy" / "prometheus" / "rules" / "lakehouse.yaml"
    done = subprocess.run(["promtool", "check", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
@pytest.mark.parametrize("fires", [True, False], ids=["fires", "silent"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}{case.labels.get('table', '')}")
def test_it_fires_when_it_should_and_not_otherwise(case: Case, fires: bool, tmp_path: Path) -> None:
    chosen = [
        rule
        for rule in rule_groups(CONTRACTS)[0]["rules"]
        if rule["alert"] == case.alert and case.labels.items() <= rule["labels"].items()
    ]
    assert len(chosen) == 1
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": chosen}]}))
    series = case.fires if fires else case.silent
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        # Prometheus' own series of alerts, so that no annotation has to be repeated here.
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})',
                "eval_time": f"{case.minutes}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }
    tests = tmp_path / "tests.yaml"
    tests.write_text(yaml.safe_dump({"rule_files": [str(file)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run(["promtool", "test", "rules", str(tests)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
