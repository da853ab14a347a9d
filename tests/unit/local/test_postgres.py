"""The local Postgres as it is declared; that it runs is tested in tests/integration."""

import os
from pathlib import Path

import pytest

from lakehouse.local import postgres
from lakehouse.local.postgres import PostgresSetupError, data_dir, prepare_server, server_command
from lakehouse.local.unprivileged import PrivilegeError, unprivileged
from lakehouse.settings import Settings, load_settings

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")


def made_by(settings: Settings, version: str) -> Path:
    """A data directory of another server, as far as it is looked at."""
    directory = data_dir(settings)
    directory.mkdir(parents=True)
    (directory / "PG_VERSION").write_text(f"{version}\n")
    return directory


def test_it_listens_on_its_port_of_the_loopback_interface(settings: Settings) -> None:
    command = server_command(load_settings({"home": settings.home, "postgres_port": 15433}))
    assert {"listen_addresses=127.0.0.1", "port=15433", "unix_socket_directories="} <= set(command)


def test_data_of_another_version_is_refused_with_the_command_that_makes_it_anew(settings: Settings) -> None:
    made_by(settings, "9")
    with pytest.raises(PostgresSetupError, match=f"made by Postgres 9, and this is .*rm -r {settings.postgres_dir}"):
        prepare_server(settings)


@pytest.mark.parametrize(("pid", "remains"), [(os.getpid(), False), (2**22 + 1, True)], ids=["another's", "nobody's"])
def test_the_pid_of_a_killed_server_that_is_anothers_by_now_is_cleared_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, pid: int, remains: bool
) -> None:
    directory = made_by(settings, "18")
    monkeypatch.setattr(postgres, "version", lambda _: "18.6.3")
    (directory / "postmaster.pid").write_text(f"{pid}\n{directory}\n")
    prepare_server(settings)
    assert (directory / "postmaster.pid").exists() is remains


def test_an_ordinary_user_runs_the_command_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged(["postgres"], [Path("/")]) == ("postgres",)


@ROOT
def test_root_becomes_nobody_without_any_capability_where_all_users_may_go(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    command = unprivileged(["postgres"], [Path("/usr/bin/env")])
    assert "--reuid=65534" in command
    assert "--no-new-privs" in command
    assert not [option for option in command if "caps" in option]


@ROOT
def test_root_keeps_one_capability_where_only_root_may_go(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    command = unprivileged(["postgres"], [tmp_path / "closed" / "data"])
    assert "--ambient-caps=-all,+dac_read_search" in command or "--ambient-caps=-all,+dac_override" in command


@ROOT
def test_where_there_is_no_such_capability_the_closed_directory_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.local.unprivileged._bounding_set", lambda: 0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    # The directories of pytest above it are closed too.
    with pytest.raises(PrivilegeError, match=r"may not enter /\S+ \(mode drwx------\)"):
        unprivileged(["postgres"], [closed / "data"])


@ROOT
def test_without_setpriv_root_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(PrivilegeError, match="util-linux"):
        unprivileged(["postgres"], [])
