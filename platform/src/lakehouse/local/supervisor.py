"""supervisord as the owner of the stack's processes: its configuration file, and its XML-RPC interface.

The processes outlive the command that started them. supervisord restarts what dies; see http://supervisord.org
for the states a program goes through.
"""

import hashlib
import shlex
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from lakehouse.errors import LakehouseError
from lakehouse.local.programs import Program
from lakehouse.settings import Settings

_START_SECONDS = 20.0
#: It ends one program after the other, and looks for the next once a second.
_SHUTDOWN_SECONDS = 120.0
_PAUSE_SECONDS = 0.1
#: A Unix socket's path holds 104 bytes on macOS and 108 on Linux.
_LONGEST_SOCKET_PATH = 100


class SupervisorError(LakehouseError):
    """The supervisor does not start, or refuses what it was asked."""


@dataclass(frozen=True)
class ProgramState:
    """What supervisord says of one program. ``pid`` is 0 and ``uptime_seconds`` None unless it runs."""

    name: str
    state: str
    pid: int
    uptime_seconds: int | None
    detail: str

    @property
    def alive(self) -> bool:
        """Whether there is a process, or one is about to be started again."""
        # What has exited is started again, whatever its exit code; only FATAL is given up.
        return self.state in {"STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED"}

    @property
    def started(self) -> bool:
        """Whether it was started and not stopped since, be it that it has given up."""
        return self.alive or self.state == "FATAL"


class Supervisor:
    """The supervisor of one state directory. Nothing is started before ``ensure``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = socket_path(settings)

    @property
    def is_running(self) -> bool:
        """Whether the supervisor answers."""
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """Its process, or None when it does not run."""
        try:
            return int(self._call("getPID"))
        except OSError:
            return None

    def ensure(self, programs: Iterable[Program]) -> None:
        """Has the supervisor run, and know exactly ``programs``.

        Programs whose declaration changed are stopped, for ``start`` to start them anew; the others run on.
        """
        self._settings.run_dir.mkdir(parents=True, exist_ok=True)
        self._settings.logs_dir.mkdir(parents=True, exist_ok=True)
        file = config_file(self._settings)
        # It holds the programs' environment, and with it a password that was given.
        file.touch(mode=0o600)
        file.chmod(0o600)
        file.write_text(render_config(self._settings, programs), encoding="utf-8")
        if self.is_running:
            self._reload()
        else:
            self._launch(file)

    def states(self) -> dict[str, ProgramState]:
        """The programs by name; empty when the supervisor does not run."""
        try:
            found = self._call("getAllProcessInfo")
        except OSError:
            return {}
        return {info["name"]: self._stopped(_state(info)) for info in found}

    def start(self, name: str) -> None:
        """Starts the program, unless it runs. Returns at once."""
        self._stop_marker(name).unlink(missing_ok=True)
        if not self.states()[name].alive:
            self._call("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Stops the program, and returns when it has ended. One that has given up is STOPPED from then on."""
        state = self.states().get(name)
        if state is None:
            return
        # First of all, or who starts what has given up would start it anew.
        marker = self._stop_marker(name)
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        if state.alive:
            self._call("stopProcess", name, True)

    def shutdown(self) -> None:
        """Ends the supervisor and what it still runs, and returns when it is gone."""
        pid = self.pid
        if pid is None:
            return
        process = psutil.Process(pid)
        self._call("shutdown")
        try:
            process.wait(timeout=_SHUTDOWN_SECONDS)
        except psutil.TimeoutExpired as error:
            raise SupervisorError(
                f"supervisord (pid {pid}) is still there {_SHUTDOWN_SECONDS:.0f} s after it was told to end. "
                f"See {log_file(self._settings, 'supervisord')}"
            ) from error

    def _stop_marker(self, name: str) -> Path:
        """There while the program was stopped and not started since."""
        return self._settings.run_dir / "stopped" / name

    def _stopped(self, state: ProgramState) -> ProgramState:
        """supervisord stops nothing that has no process: it says FATAL for ever, whoever stopped it since."""
        given_up = state.state == "FATAL" and self._stop_marker(state.name).exists()
        return replace(state, state="STOPPED") if given_up else state

    def _launch(self, config: Path) -> None:
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        give_up = time.monotonic() + _START_SECONDS
        while done.returncode == 0 and time.monotonic() < give_up:
            if self.is_running:
                return
            time.sleep(_PAUSE_SECONDS)
        raise SupervisorError(
            f"supervisord did not start: {(done.stdout + done.stderr).strip() or 'no answer on ' + str(self._socket)}\n"
            f"See {log_file(self._settings, 'supervisord')}"
        )

    def _reload(self) -> None:
        """As `supervisorctl update`, except that nothing is started here."""
        ((added, changed, removed),) = self._call("reloadConfig")
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name, True)
            self._call("removeProcessGroup", name)
        for name in (*changed, *added):
            self._call("addProcessGroup", name)

    def _call(self, method: str, *arguments: object) -> Any:
        """The answer of the supervisor. Raises OSError when nothing answers, SupervisorError when it refuses."""
        # Imported here: a command that talks to no supervisor need not load it.
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as error:
            raise SupervisorError(f"supervisord refuses {method}{arguments}: {error.faultString}") from error
        finally:
            transport.close()


def socket_path(settings: Settings) -> Path:
    """The supervisor's socket: in the run directory, or under a short name where that path is too long."""
    path = settings.run_dir / "supervisord.sock"
    if len(str(path)) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lakehouse-{digest}.sock"


def config_file(settings: Settings) -> Path:
    """What the supervisor was last told to run."""
    return settings.run_dir / "supervisord.conf"


def log_file(settings: Settings, name: str) -> Path:
    """Where the output of the program ``name``, or of ``supervisord`` itself, goes."""
    return settings.logs_dir / f"{name}.log"


def render_config(settings: Settings, programs: Iterable[Program]) -> str:
    """The supervisor's configuration file. Raises SupervisorError for a value it cannot carry."""
    sections = [
        ("unix_http_server", {"file": _text(str(socket_path(settings))), "chmod": "0700"}),
        (
            "supervisord",
            {
                "logfile": _text(str(log_file(settings, "supervisord"))),
                "logfile_maxbytes": "1MB",
                "logfile_backups": "1",
                "pidfile": _text(str(settings.run_dir / "supervisord.pid")),
                "directory": _text(str(settings.home)),
            },
        ),
        (
            "rpcinterface:supervisor",
            {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        *((f"program:{program.name}", _program_section(settings, program)) for program in programs),
    ]
    return "\n".join(
        f"[{title}]\n" + "".join(f"{key}={value}\n" for key, value in section.items()) for title, section in sections
    )


def _program_section(settings: Settings, program: Program) -> dict[str, str]:
    environment = (f"{key}={_quoted(value)}" for key, value in sorted(program.environment.items()))
    return {
        "command": _text(shlex.join(program.supervised_command)),
        "directory": _text(str(settings.home)),
        "environment": ",".join(environment),
        # `lakehouse up` starts them, in order and with a look at each.
        "autostart": "false",
        "autorestart": "true",
        "startsecs": "3",
        "stopsignal": program.stop_signal,
        "stopwaitsecs": str(program.stop_seconds),
        # Most end their children in good order, and get the signal alone; SIGKILL goes to all of them.
        "stopasgroup": str(program.stop_group).lower(),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": _text(str(log_file(settings, program.name))),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": "2",
    }


def _text(value: str) -> str:
    """``value`` as supervisord's configuration parser reads it back."""
    if "\n" in value or " ;" in value or " #" in value:
        raise SupervisorError(f"{value!r} cannot be used: line breaks, ' ;' and ' #' mean something to supervisord")
    return value.replace("%", "%%")


def _quoted(value: str) -> str:
    quote = "'" if '"' in value else '"'
    if quote in value:
        raise SupervisorError(f"{value!r} cannot be used: supervisord takes one kind of quotes in a value, not both")
    return f"{quote}{_text(value)}{quote}"


def _state(info: dict[str, Any]) -> ProgramState:
    running = info["statename"] in {"RUNNING", "STARTING", "STOPPING"} and info["pid"] > 0
    return ProgramState(
        name=info["name"],
        state=info["statename"],
        pid=info["pid"],
        uptime_seconds=max(0, info["now"] - info["start"]) if running else None,
        detail=info["spawnerr"] or info["description"],
    )
