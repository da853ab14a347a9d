"""How far a query is behind the table that it reads, in versions, rows and time.

Spark tells the version up to which a trigger has read, and nothing of what came since; the table's log does.
"""

import logging
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.unread import UnreadCommits

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class Lag:
    """Versions that were not read to their end, and their rows where known. All before ``read_up_to`` was read."""

    versions: int
    rows: int | None
    read_up_to: datetime


class TableLag:
    """Looks at the log of ``table`` in a thread of ``threads``: no query waits for it."""

    def __init__(self, catalog: Catalog, table: str, threads: Executor) -> None:
        self._commits = UnreadCommits(catalog, table)
        self._threads = threads
        self._looking: Future[Lag] | None = None
        self._look_at = 0.0
        self._position: int | None = None

    def of(self, position: int) -> Lag | None:
        """How far a query is behind that has read the versions before ``position``; None where that is no news yet."""
        if self._looking is not None and self._looking.done():
            found, self._looking = self._looking, None
            if not found.exception():
                return found.result()
            # An object store that does not answer: the next look tells more.
            _LOG.warning("%s: its log was not read: %s", self._commits.table, found.exception())
        if self._looking is None and (position != self._position or time.monotonic() >= self._look_at):
            self._position, self._look_at = position, time.monotonic() + _LOOK_EVERY_SECONDS
            self._looking = self._threads.submit(self._look, position)
        return None

    def _look(self, position: int) -> Lag:
        asked = datetime.now(UTC)
        unread = self._commits.since(position)
        rows = [commit.rows for commit in unread]
        known = [count for count in rows if count is not None]
        return Lag(len(unread), sum(known) if len(known) == len(rows) else None, unread[0].at if unread else asked)
