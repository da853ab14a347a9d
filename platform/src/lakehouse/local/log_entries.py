"""What a line of a log says, whichever of the stack's programs wrote it.

The JVMs and our own processes log in one form, see `logging_format`. Dagster, Postgres, supervisord,
Prometheus and Alertmanager each have one of their own that no setting changes: it is read here.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TIME = re.compile(
    r"(?:ts=)?(?P<day>\d{4}-\d\d-\d\d)[T ](?P<time>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?"
    r" ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d)?\s+(?P<rest>.*)"
)
_FORMS = tuple(
    re.compile(form)
    for form in (
        # Dagster
        r"- (?P<logger>\S+) - (?P<level>[A-Z]+) - (?P<message>.*)",
        # Postgres
        r"\[\d+\] (?P<level>[A-Z]+):\s+(?P<message>.*)",
        # Prometheus, Alertmanager
        r"caller=(?P<logger>\S+) level=(?P<level>\w+) (?P<message>.*)",
        # The JVMs, and our own
        r"(?P<level>[A-Z]+)\s+(?:\[(?P<job>[0-9a-f]{32})\] )?(?P<logger>\S+) - (?P<message>.*)",
        # supervisord
        r"(?P<level>[A-Z]+) (?P<message>.*)",
    )
)
_JOB = re.compile(r"\bjob \(?([0-9a-f]{32})\b", re.IGNORECASE)
_LEVELS = {"WARNING": "WARN", "CRIT": "ERROR", "CRITICAL": "ERROR", "FATAL": "ERROR", "PANIC": "ERROR"}
#: From the least to the most; Postgres tells of its own doings as LOG, and of errors' circumstances in more words.
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR")


@dataclass(frozen=True)
class Entry:
    """One thing that ``part`` said, at ``at`` in UTC. A message may have several lines.

    ``table`` is the one it is about, where it names one; ``job`` the id of a Flink job.
    """

    at: datetime
    part: str
    level: str
    message: str
    logger: str = ""
    table: str | None = None
    job: str | None = None

    def __str__(self) -> str:
        moment = f"{self.at:%Y-%m-%dT%H:%M:%S}.{self.at.microsecond // 1000:03d}Z"
        about = f" [{self.table}]" if self.table else ""
        logger = f" {self.logger}" if self.logger else ""
        return f"{moment} {self.level:<5} {self.part}{about}{logger} - {self.message}"

    def as_json(self) -> dict[str, str]:
        """What is known of it, for scripts."""
        known = {**asdict(self), "at": self.at.isoformat(timespec="milliseconds")}
        return {name: value for name, value in known.items() if value}


class Reader:
    """Makes entries of the lines of ``part``, which may tell of ``tables``. ``jobs`` tells the table of a Flink job."""

    def __init__(self, part: str, tables: Iterable[str], jobs: Callable[[str], str | None]) -> None:
        self._part, self._jobs = part, jobs
        # Longer names first: one may begin with another. Dagster writes a name with a slash.
        names = sorted((re.escape(table).replace(r"\.", "[./]") for table in tables), key=len, reverse=True)
        self._names = re.compile(rf"(?<![\w./])(?:{'|'.join(names)})(?![\w/])") if names else None
        self._last: Entry | None = None

    def read(self, lines: Iterable[str], otherwise: datetime) -> Iterator[Entry]:
        """The entries of ``lines``, which follow those of the last call.

        Lines without a time belong to the entry before them: a stack trace, a list. Before the first entry of all they
        are of the time ``otherwise``.
        """
        entry: Entry | None = None
        for line in lines:
            text = _COLOUR.sub("", line)
            stamped = _TIME.match(text)
            if stamped is not None:
                if entry is not None:
                    yield entry
                entry = self._last = self._entry(stamped)
            elif entry is not None:
                entry = replace(entry, message=f"{entry.message}\n{text}")
            elif self._last is not None:
                entry = replace(self._last, message=text)
            else:
                entry = Entry(otherwise, self._part, "INFO", text, table=self._table(text))
        if entry is not None:
            yield entry

    def _entry(self, stamped: "re.Match[str]") -> Entry:
        rest = stamped["rest"]
        found = next((match for form in _FORMS if (match := form.match(rest))), None)
        told = found.groupdict() if found else {}
        level, message = (told.get("level") or "INFO").upper(), told.get("message", rest)
        job = told.get("job") or ((named := _JOB.search(message)) and named[1])
        return Entry(
            at=_moment(stamped),
            part=self._part,
            level=_known(level),
            message=message,
            logger=told.get("logger") or "",
            table=self._table(message) or (self._jobs(job) if job else None),
            job=job,
        )

    def _table(self, message: str) -> str | None:
        found = self._names.search(message) if self._names else None
        return found[0].replace("/", ".") if found else None


def _known(level: str) -> str:
    level = _LEVELS.get(level, level)
    return level if level in LEVELS else "INFO"


def _moment(stamped: "re.Match[str]") -> datetime:
    """In UTC. A time without a zone is that of this machine, as supervisord writes it."""
    moment = datetime.fromisoformat(f"{stamped['day']}T{stamped['time']}")
    moment += timedelta(seconds=float(f"0.{stamped['fraction'] or 0}"))
    zone = stamped["zone"]
    if zone is None:
        return moment.astimezone().astimezone(UTC)
    if zone in ("Z", "UTC", "GMT"):
        return moment.replace(tzinfo=UTC)
    return datetime.fromisoformat(f"{moment.isoformat()}{zone[:3]}:{zone[-2:]}").astimezone(UTC)
