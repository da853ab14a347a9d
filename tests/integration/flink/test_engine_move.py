"""A table moves from Spark to Flink and back under load, by its contract's freshness, `lakehouse plan` and `apply`.

One apply is killed when the old writer has let go and the new one has not begun, another one while the old writer lets
go.
"""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.generator.manifest import Manifest, events_path
from lakehouse.local.supervisor import Supervisor
from lakehouse_spark.noted import noted_contracts
from tests.integration.command_line import LAKEHOUSE
from tests.integration.flink.load import Load, changes
from tests.integration.flink.readers import Held, expected_offsets, reader
from tests.integration.flink.stack import RECOVERY_SECONDS, FlinkStack
from tests.waiting import wait_for

TABLE, BESIDE = "raw.travelled", "raw.few"
SLOW, FAST = "1 minute", "5 seconds"


@dataclass
class Travelled:
    """What was sent while the table moved there and back, and what was seen on the way.

    ``beside`` are the ids of a job that none of it concerns: before, there, and back.
    """

    manifest: Manifest
    events: Path
    plans: dict[str, dict[str, Any]]
    table_ids: list[str]
    beside: list[str | None]
    killed_at: str
    resumed: str


@pytest.fixture(scope="module")
def travelled(flink: FlinkStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Travelled]:
    path = tmp_path_factory.mktemp("travelled") / "manifest.json"
    beside, plans, table_ids = [flink.await_running(BESIDE).job_id], {}, []

    def rows_come(load: Load) -> None:
        sent = load.await_more()
        detail = lambda: f"{flink.held(TABLE)} rows\n{flink.logs()}"  # noqa: E731
        wait_for(lambda: flink.held(TABLE) >= sent, f"{sent} rows", RECOVERY_SECONDS, detail)
        table_ids.append(str(flink.catalog.open(TABLE).metadata().id))

    try:
        flink.declare(TABLE, freshness=SLOW, topic="travelled.events")
        plans["new"] = planned(flink)
        flink.command_line.succeed("apply")
        with Load(flink, "travelled.events", path) as load:
            rows_come(load)
            flink.declare(TABLE, freshness=FAST, topic="travelled.events")
            plans["there"] = planned(flink)
            killed_at = kill_apply_after(flink, "Engines")
            plans["killed"] = planned(flink)
            resumed = flink.command_line.succeed("apply")
            rows_come(load)
            beside.append(flink.job(BESIDE).job_id)
            flink.declare(TABLE, freshness=SLOW, topic="travelled.events")
            plans["back"] = planned(flink)
            # The keeper of the jobs has ended, and the job is about to stop with a savepoint, or has just done so.
            kill_apply_after(flink, "Supervisor", seconds=0.3)
            flink.command_line.succeed("apply")
            rows_come(load)
            beside.append(flink.job(BESIDE).job_id)
            plans["done"] = planned(flink)
            manifest = load.finish()
        flink.await_rows(TABLE, manifest.counts.sent)
        yield Travelled(manifest, events_path(path), plans, table_ids, beside, killed_at, resumed)
    finally:
        # The tests after these have no Spark beside them, and their plans no such contract.
        (flink.settings.contracts_dir / "raw_travelled.yaml").unlink(missing_ok=True)
        Supervisor(flink.settings).stop("spark")


def planned(flink: FlinkStack) -> dict[str, Any]:
    """`lakehouse plan` as scripts read it, with its exit code, its steps by name."""
    done = flink.command_line.run("plan", "--json", "--detailed-exitcode")
    answer = json.loads(done.stdout)
    return {**answer, "exit": done.returncode, "steps": {s["step"]: s for s in answer["steps"] if s["table"] == TABLE}}


def kill_apply_after(flink: FlinkStack, title: str, seconds: float = 0.0) -> str:
    """Runs `lakehouse apply` and kills it ``seconds`` after it told that ``title`` is done; returns what it told."""
    command = [LAKEHOUSE, "apply"]
    with subprocess.Popen(command, env=flink.command_line.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if f"✓ {title}" in line:
                time.sleep(seconds)
                process.kill()
                break
        process.wait(60)
    assert process.returncode == -signal.SIGKILL, told
    return told.splitlines()[-1]


@pytest.fixture(scope="module")
def held(travelled: Travelled, flink: FlinkStack, spark: SparkSession) -> Held:
    uri = flink.catalog.uri
    return Held(reader("duckdb", spark), uri(TABLE), uri(f"{TABLE}_rejected"), [travelled.events])


def test_every_event_is_in_the_table_or_in_quarantine_once(held: Held, travelled: Travelled) -> None:
    assert held.checksum() == travelled.manifest.checksum
    assert held.differences() == ([], [])
    assert held.quarantine_differences() == ([], [])
    assert held.offsets() == expected_offsets(travelled.manifest)


def test_readers_of_changes_read_through_and_get_every_row_once(travelled: Travelled, flink: FlinkStack) -> None:
    assert changes(flink, TABLE) == travelled.manifest.counts.sent


def test_it_is_one_table_with_one_history_and_one_writer_at_a_time(travelled: Travelled, flink: FlinkStack) -> None:
    assert len(travelled.table_ids) == 3
    assert len(set(travelled.table_ids)) == 1
    commits = sorted(flink.catalog.open(TABLE).history(), key=lambda commit: commit["version"])
    assert [commit["version"] for commit in commits] == list(range(len(commits)))
    written = [
        commit["engineInfo"].split("/")[0]
        for commit in commits
        if commit["operation"] == "STREAMING UPDATE" or commit["operation"] == "WRITE"
    ]
    first, second, third = [writer for writer, _ in groupby(written)]
    assert first == third == "Apache-Spark"
    assert "Kernel" in second


def test_a_new_contract_is_created_and_started(travelled: Travelled) -> None:
    plan = travelled.plans["new"]
    assert plan["exit"] == 2
    assert list(plan["steps"]) == ["create_topic", "create_table", "start"]
    assert plan["steps"]["start"]["engine"] == "spark"


@pytest.mark.parametrize(
    ("way", "before", "after", "fields"),
    [
        ("there", "spark", "flink", {"field": "freshness", "before": SLOW, "after": FAST}),
        ("back", "flink", "spark", {"field": "freshness", "before": FAST, "after": SLOW}),
    ],
)
def test_the_plan_tells_the_move_and_its_offsets(
    travelled: Travelled, way: str, before: str, after: str, fields: dict[str, str]
) -> None:
    plan = travelled.plans[way]
    assert plan["exit"] == 2
    assert list(plan["steps"]) == ["move"]
    move = plan["steps"]["move"]
    assert (move["before"], move["after"]) == (before, after)
    assert move["fields"] == [fields]
    assert sum(move["at"]["offsets"].values()) > 0


def test_an_apply_that_was_killed_is_told_and_gone_on_from(travelled: Travelled) -> None:
    assert f"let go of {TABLE}" in travelled.killed_at
    killed = travelled.plans["killed"]
    assert killed["interrupted"]
    assert list(killed["steps"]) == ["start"]
    assert killed["steps"]["start"]["engine"] == "flink"
    assert "Engines" in travelled.resumed


def test_afterwards_there_is_nothing_to_do(travelled: Travelled) -> None:
    done = travelled.plans["done"]
    assert (done["exit"], done["steps"], done["changes"]) == (0, {}, False)


def test_a_contract_that_is_gone_ends_its_writer_when_somebody_says_so_and_leaves_the_table(
    travelled: Travelled, flink: FlinkStack
) -> None:
    (flink.settings.contracts_dir / "raw_travelled.yaml").unlink()
    (end,) = planned(flink)["steps"].values()
    assert (end["step"], end["engine"], end["destructive"]) == ("end", "spark", True)
    refused = flink.command_line.run("apply")
    assert refused.returncode == 1
    assert refused.stderr.rstrip().endswith("apply --yes")
    assert TABLE in noted_contracts(flink.settings)
    flink.command_line.succeed("apply", "--yes")
    assert TABLE not in {query["table"] for query in flink.command_line.status()["queries"]}
    assert flink.held(TABLE) == travelled.manifest.counts.sent
    assert planned(flink)["steps"] == {}


def test_a_job_that_is_not_concerned_runs_on(travelled: Travelled) -> None:
    assert len(travelled.beside) == 3
    assert len(set(travelled.beside)) == 1
