"""What has to hold of this machine before the stack can run. Each check names the cause and what mends it."""

import os
import shlex
import shutil
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.local.jars import JAR_SETS, jars_current
from lakehouse.local.java import find_java, find_maven
from lakehouse.local.monitoring import MonitoringError, check_tools
from lakehouse.local.processes import short_command, stale_processes
from lakehouse.local.programs import MONITORING, PROGRAM_NAMES, endpoints
from lakehouse.local.supervisor import Supervisor
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog

#: Jars, a day of the generator's events, and room for Kafka to keep its segments.
_NEEDED_DISK_BYTES = 2 * 1024**3
#: What the stack writes and nothing reads again.
_DISPENSABLE = ("logs", "manifests", "tmp")


class MachineError(LakehouseError):
    """Something on this machine stands in the way of the stack."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: ``detail`` says what was found, and, where it is a problem, what mends it."""

    name: str
    ok: bool
    detail: str


def examine(settings: Settings, supervisor: Supervisor) -> list[Finding]:
    """All checks, for `lakehouse doctor`: ports in use by the stack itself are no problem."""
    return [
        _finding("Java", _check_java),
        _finding("Maven", lambda: f"Maven {find_maven().version}"),
        _finding("Jars", partial(_check_jars, settings)),
        _finding("Monitoring", _check_monitoring),
        *_surroundings(settings, supervisor),
        *_ports(settings, supervisor, PROGRAM_NAMES),
    ]


def check_machine(settings: Settings, supervisor: Supervisor, names: Iterable[str]) -> None:
    """The checks `lakehouse up` needs for the programs ``names``. Raises MachineError with what failed."""
    # Ports come last: a stale process holds some, and is the cause to name.
    for findings in (_surroundings(settings, supervisor), _ports(settings, supervisor, names)):
        problems = [finding.detail for finding in findings if not finding.ok]
        if problems:
            raise MachineError("\n".join(problems))


def check_disk(settings: Settings) -> str:
    """Free space below the state directory. Raises MachineError when there is too little."""
    existing = next(path for path in (settings.state_dir, *settings.state_dir.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < _NEEDED_DISK_BYTES:
        raise MachineError(
            f"only {_gib(free)} free on the disk of {settings.state_dir}, at least {_gib(_NEEDED_DISK_BYTES)} needed. "
            f"Free some, or set LAKEHOUSE_STATE_DIR to a directory on another disk.\n{_what_frees_space(settings)}"
        )
    return f"{_gib(free)} free"


def check_stale(settings: Settings, supervisor: Supervisor) -> str:
    """Raises MachineError when processes of an earlier stack are left without their supervisor."""
    stale = stale_processes(settings, supervisor.pid)
    if stale:
        listed = "\n".join(f"  {process}" for process in stale)
        raise MachineError(f"processes of an earlier crash still run:\n{listed}\nStop them: {command('down')}")
    return "none"


def check_port(setting: str, port: int, supervisor: Supervisor, program: str) -> str:
    """Raises MachineError when another than ``program`` of this stack listens on ``port``, naming it."""
    if _is_free(port):
        return "free"
    holder = _holder(port)
    state = supervisor.states().get(program)
    if holder and state and state.pid and state.pid in {holder.pid, *(parent.pid for parent in holder.parents())}:
        return f"in use by {program} (pid {holder.pid})"
    who = f"pid {holder.pid} ({short_command(holder)})" if holder else "a process of another user"
    remedy = f"Stop that process (kill {holder.pid})" if holder else "Stop that process"
    elsewhere = port + 10000 if port < 50000 else port - 10000
    raise MachineError(
        f"port {port}, needed by {program}, is in use by {who}. "
        f"{remedy}, or choose another port: LAKEHOUSE_{setting.upper()}={elsewhere}"
    )


def _surroundings(settings: Settings, supervisor: Supervisor) -> list[Finding]:
    return [
        _finding("State directory", partial(_check_writable, settings)),
        _finding("Disk space", partial(check_disk, settings)),
        _finding("Stale processes", partial(check_stale, settings, supervisor)),
        _finding("Tables", partial(_check_store, settings)),
    ]


def _ports(settings: Settings, supervisor: Supervisor, names: Iterable[str]) -> list[Finding]:
    reached = endpoints(settings)
    return [
        _finding(f"Port {port}", partial(check_port, setting, port, supervisor, name))
        for name in names
        for setting, port in reached[name].ports.items()
    ]


def _check_java() -> str:
    java = find_java()
    return f"Java {java.version} at {java.home}"


def _check_jars(settings: Settings) -> str:
    missing = [jar_set for jar_set in JAR_SETS if not jars_current(settings, jar_set)]
    return f"to be fetched at the next start: {', '.join(missing)}" if missing else "complete"


def _check_monitoring() -> str:
    """Nobody needs it, so that it is no problem when it is missing."""
    try:
        return check_tools(MONITORING)
    except MonitoringError as error:
        return f"{error}\nOnly `{command('up --monitoring')}` needs them."


def _check_writable(settings: Settings) -> str:
    existing = next(path for path in (settings.state_dir, *settings.state_dir.parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise MachineError(
            f"{existing} is not a directory that you can write to. Its owner can change that "
            f"(chown -R {_user()} {existing}), or set LAKEHOUSE_STATE_DIR to a directory of yours."
        )
    return str(settings.state_dir)


def _check_store(settings: Settings) -> str:
    Catalog.from_settings(settings).check_store()
    return settings.root


def _finding(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except LakehouseError as error:
        return Finding(name, False, str(error))


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        # Without it, a port whose last connections only just closed looks taken.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _holder(port: int) -> psutil.Process | None:
    """The process that listens on ``port``; None when it is another user's."""
    for process in psutil.process_iter():
        try:
            for connection in process.net_connections(kind="tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                    return process
        except psutil.Error:
            continue
    return None


def _what_frees_space(settings: Settings) -> str:
    """Commands in the order of what they cost, each with the space that it frees."""
    dispensable = [path for name in _DISPENSABLE if (path := settings.state_dir / name).is_dir()]
    choices = [(f"{Path(sys.executable).with_name('uv')} cache clean", "the cache of Python packages")]
    if dispensable:
        size = _gib(sum(map(_size, dispensable)))
        choices.append((shlex.join(["rm", "-r", *map(str, dispensable)]), f"{size}, logs and manifests"))
    if settings.state_dir.is_dir():
        everything = f"{command('down')} && {shlex.join(['rm', '-r', str(settings.state_dir)])}"
        choices.append((everything, f"{_gib(_size(settings.state_dir))}, all topics, tables and checkpoints"))
    return "\n".join(f"  {line}    frees {what}" for line, what in choices)


def _size(directory: Path) -> int:
    """Bytes below ``directory``. What goes away meanwhile counts as nothing."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def _user() -> str:
    return psutil.Process().username()


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
