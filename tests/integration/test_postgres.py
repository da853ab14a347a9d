"""The local Postgres: created once, reached with its own password only, whole again after it was killed."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psutil
import pytest

from lakehouse.local.customers import ensure_customers
from lakehouse.local.postgres import data_dir, prepare_server, server_answers, server_command
from lakehouse.settings import Settings, load_settings
from lakehouse.storage.postgres import attach
from tests.waiting import wait_for

COUNT = "SELECT count(*) FROM postgres.public.customers"


@contextmanager
def running(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    prepare_server(settings)
    with (settings.state_dir / "postgres.log").open("ab") as output:
        process = subprocess.Popen(server_command(settings), stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: server_answers(settings) is None, "Postgres to answer", 60, lambda: server_answers(settings))
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def count(settings: Settings) -> int:
    with duckdb.connect() as connection:
        attach(connection, settings)
        return int(connection.execute(COUNT).fetchall()[0][0])


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Settings over a state directory that nobody but its owner may enter, as below /root."""
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "state").mkdir()
    return make_settings(tmp_path / "closed" / "state")


def test_what_it_holds_outlives_a_kill_whose_pid_is_anothers_by_now(settings: Settings) -> None:
    with running(settings) as server:
        created = ensure_customers(settings)
        server.kill()
        server.wait()
        left = (data_dir(settings) / "postmaster.pid").read_text()
    wait_for(lambda: not servers(settings), "the killed server's children to end", 30)
    (data_dir(settings) / "postmaster.pid").write_text(left.replace(str(server.pid), str(os.getpid()), 1))
    with running(settings):
        assert count(settings) == created


def servers(settings: Settings) -> list[psutil.Process]:
    """Processes that work in the data directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == data_dir(settings):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_client_that_stays_does_not_keep_it_from_stopping(settings: Settings) -> None:
    with duckdb.connect() as connection, running(settings) as server:
        attach(connection, settings)
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0
    assert not (data_dir(settings) / "postmaster.pid").exists()


def test_the_password_is_made_anew_for_each_and_is_nobody_elses_to_read(
    settings: Settings, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    other = make_settings(tmp_path / "other")
    for each in (settings, other):
        prepare_server(each)
    assert settings.postgres_password_file.read_text() != other.postgres_password_file.read_text()
    assert settings.postgres_password_file.stat().st_mode & 0o077 == 0


def test_a_given_password_is_taken_and_another_is_refused(settings: Settings) -> None:
    with_word = load_settings({**settings.model_dump(), "postgres_password": "a word"})
    with running(with_word):
        assert server_answers(with_word) is None
        wrong = server_answers(load_settings({**settings.model_dump(), "postgres_password": "no"}))
    assert "password authentication failed" in str(wrong)


def test_nothing_is_left_of_a_creation_that_fails(settings: Settings) -> None:
    impossible = load_settings({**settings.model_dump(), "postgres_user": "pg_reserved"})
    with pytest.raises(Exception, match="pg_reserved"):
        prepare_server(impossible)
    assert list(settings.postgres_dir.iterdir()) == []
    prepare_server(settings)
