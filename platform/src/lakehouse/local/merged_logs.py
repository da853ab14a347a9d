"""The logs of several parts as one, by time."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

from lakehouse.contracts import load_contracts
from lakehouse.flink.rest import FlinkUnreachableError
from lakehouse.local.flink import job_manager
from lakehouse.local.log_entries import LEVELS, Entry, Reader
from lakehouse.local.logs import Tail, last_lines
from lakehouse.local.supervisor import log_file
from lakehouse.settings import Settings

_PAUSE_SECONDS = 0.5
#: A job that nobody knows is not asked for again sooner.
_ASK_AGAIN_SECONDS = 10.0
Wanted = Callable[[Entry], bool]


def wanted(table: str | None, level: str | None) -> Wanted:
    """Whether an entry is about ``table`` and of at least ``level``, of those that are given."""
    least = LEVELS.index(level) if level else 0
    return lambda entry: (table is None or entry.table == table) and LEVELS.index(entry.level) >= least


def merged(settings: Settings, names: Sequence[str], count: int, table: str | None, level: str | None) -> list[Entry]:
    """The last ``count`` entries of the parts ``names`` that are about ``table`` and of at least ``level``."""
    # Of each part the last ones do, unless most of them may not be wanted.
    lines = count if table is None and level is None else None
    readers = _readers(settings, names, table)
    entries = (
        entry
        for name, reader in readers.items()
        for entry in reader.read(last_lines(log_file(settings, name), lines), _changed_at(settings, name))
    )
    chosen = sorted(filter(wanted(table, level), entries), key=lambda entry: entry.at)
    return chosen[-count:] if count else []


def following(
    settings: Settings, names: Sequence[str], count: int, table: str | None, level: str | None
) -> Iterator[Entry]:
    """As ``merged``, and then for ever what comes, by time within each look."""
    tails = {name: Tail(log_file(settings, name), None) for name in names}
    readers, keep = _readers(settings, names, table), wanted(table, level)
    first = True
    while True:
        found = [
            entry
            for name, tail in tails.items()
            for entry in readers[name].read(tail.read(), _changed_at(settings, name) if first else datetime.now(UTC))
        ]
        chosen: Iterable[Entry] = sorted(filter(keep, found), key=lambda entry: entry.at)
        yield from deque(chosen, maxlen=count) if first else chosen
        first = False
        time.sleep(_PAUSE_SECONDS)


def _readers(settings: Settings, names: Sequence[str], table: str | None) -> dict[str, Reader]:
    tables = {contract.table for contract in load_contracts(settings.contracts_dir)} | ({table} if table else set())
    jobs = _Jobs(settings)
    return {name: Reader(name, tables, jobs) for name in names}


def _changed_at(settings: Settings, name: str) -> datetime:
    file = log_file(settings, name)
    return datetime.fromtimestamp(file.stat().st_mtime, UTC) if file.exists() else datetime.now(UTC)


class _Jobs:
    """The table of a Flink job, as its JobManager knows it; None where that does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._manager = job_manager(settings)
        self._known: dict[str, str] = {}
        self._asked = -_ASK_AGAIN_SECONDS

    def __call__(self, job: str) -> str | None:
        if job not in self._known and time.monotonic() - self._asked > _ASK_AGAIN_SECONDS:
            self._asked = time.monotonic()
            try:
                self._known = {found.id: found.name for found in self._manager.jobs()}
            except FlinkUnreachableError:
                return None
        return self._known.get(job)
