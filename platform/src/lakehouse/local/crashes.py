"""How often the supervisor started a program again, told by the supervisor's own log: it keeps no count itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakehouse.local.supervisor import log_file
from lakehouse.settings import Settings

_LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \w+ (?P<event>.+)")
_EXITED = re.compile(r"exited: (?P<name>\S+) \((?P<how>.+?)(; (not )?expected)?\)")
_STOPPED = re.compile(r"stopped: (?P<name>\S+) ")


@dataclass(frozen=True)
class Crashes:
    """``count`` is how often the process ended by itself since it was last stopped on purpose; ``how`` as in
    `exit status 1` or `terminated by SIGKILL`.
    """

    count: int
    last_at: datetime
    how: str


def crashes(settings: Settings) -> dict[str, Crashes]:
    """The programs that ended by themselves under the present supervisor, by name."""
    found: dict[str, Crashes] = {}
    for line in _lines(log_file(settings, "supervisord")):
        if "supervisord started with pid" in line:
            found.clear()
        elif stopped := _STOPPED.search(line):
            found.pop(stopped["name"], None)
        elif (exited := _EXITED.search(line)) and (stamped := _LINE.match(line)):
            before = found[exited["name"]].count if exited["name"] in found else 0
            # The log is in local time, without saying so.
            at = datetime.fromisoformat(stamped["time"]).astimezone()
            found[exited["name"]] = Crashes(before + 1, at, exited["how"])
    return found


def _lines(file: Path) -> Iterator[str]:
    """Of the log and of the one before it, oldest first."""
    for part in (file.with_name(f"{file.name}.1"), file):
        if part.exists():
            with part.open(encoding="utf-8", errors="replace") as stream:
                yield from stream
