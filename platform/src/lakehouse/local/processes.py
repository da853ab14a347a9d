"""The stack's processes as the operating system sees them: their memory, and those that a crash left behind."""

from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from lakehouse.local.programs import MARKER
from lakehouse.settings import Settings

_GRACE_SECONDS = 30.0
_STATE_DIR = "LAKEHOUSE_STATE_DIR"


@dataclass(frozen=True)
class StaleProcess:
    """A process of this state directory that no supervisor owns any more."""

    pid: int
    program: str
    command: str

    def __str__(self) -> str:
        return f"{self.program}: pid {self.pid} ({self.command})"


def stale_processes(settings: Settings, supervisor_pid: int | None) -> list[StaleProcess]:
    """Processes that an earlier stack of this state directory started and that are not below ``supervisor_pid``.

    A supervisor that was killed leaves its children behind. They are known by their environment and not by their
    name or a recorded pid, which may long be another's.
    """
    owned = _descendants(supervisor_pid) | _self_and_ancestors()
    found = []
    for process in psutil.process_iter():
        if process.pid in owned:
            continue
        try:
            environment = process.environ()
            if MARKER in environment and environment.get(_STATE_DIR) == str(settings.state_dir):
                found.append(StaleProcess(process.pid, environment[MARKER], short_command(process)))
        except psutil.Error:
            continue  # Gone since, or another user's, which is not ours to judge.
    return found


def stop_processes(pids: Iterable[int]) -> None:
    """SIGTERM to each, and SIGKILL to those still there after a grace period."""
    processes = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            process.terminate()
            processes.append(process)
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=_GRACE_SECONDS)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=_GRACE_SECONDS)


def memory_bytes(pid: int) -> int:
    """Memory that the process and all below it take; 0 when it is gone.

    Resident pages, of which one that n processes share counts for an n-th of each (Linux: PSS), so that the parts add
    up to what the stack takes: a dozen processes share the libraries of Python, Arrow and the JVM. Where the system
    does not tell this, the whole resident set counts.
    """
    total = 0
    for member in (pid, *_descendants(pid)):
        try:
            total += _own_memory(psutil.Process(member))
        except psutil.Error:
            continue
    return total


def _own_memory(process: psutil.Process) -> int:
    try:
        told = process.memory_full_info()
    except psutil.AccessDenied:  # Another user's, such as the local Postgres where root runs the stack is not.
        return int(process.memory_info().rss)
    # A kernel without smaps, and every other system, has no PSS: psutil says 0, or has no such field.
    return int(getattr(told, "pss", 0) or told.rss)


def short_command(process: psutil.Process) -> str:
    """The command line, its middle cut out where it is too long for a message: its ends tell what it is."""
    command = " ".join(process.cmdline()) or process.name()
    return command if len(command) <= 100 else f"{command[:50]} … {command[-47:]}"


def _descendants(pid: int | None) -> set[int]:
    if pid is None:
        return set()
    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def _self_and_ancestors() -> set[int]:
    current = psutil.Process()
    return {current.pid, *(parent.pid for parent in current.parents())}
