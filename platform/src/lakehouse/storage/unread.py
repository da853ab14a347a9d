"""Which commits of a table a reader of its change feed has still before it, told by the log alone."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import obstore

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.log import entry_path
from lakehouse.storage.stats import latest_version


@dataclass(frozen=True)
class Commit:
    """One version. ``rows`` is how many it added; None where a file has no statistics."""

    version: int
    at: datetime
    rows: int | None


@dataclass
class UnreadCommits:
    """The commits of ``table``, each read from the log once. One thread at a time asks."""

    catalog: Catalog
    table: str
    _known: dict[int, Commit] = field(default_factory=dict)

    def since(self, version: int) -> list[Commit]:
        """Those from ``version`` on that added rows, in order. obstore's NotFoundError for an entry that is gone."""
        wanted = range(version, latest_version(self.catalog, self.table) + 1)
        self._known = {found: self._known.get(found) or self._read(found) for found in wanted}
        # A commit that only rearranged files is none that a reader would have to read.
        return [commit for commit in self._known.values() if commit.rows != 0]

    def _read(self, version: int) -> Commit:
        entry = obstore.get(self.catalog.store(self.table), entry_path(version))
        at, rows = datetime.now(UTC), [0]
        for line in bytes(entry.bytes()).splitlines():
            action = json.loads(line)
            if "commitInfo" in action:
                at = datetime.fromtimestamp(action["commitInfo"]["timestamp"] / 1000, UTC)
            if "add" in action and action["add"]["dataChange"]:
                rows.append(json.loads(action["add"].get("stats") or "{}").get("numRecords"))
        return Commit(version, at, None if None in rows else sum(rows))
