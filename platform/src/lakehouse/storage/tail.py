"""Follows the log of a table commit by commit: what each added, and whose progress it stored.

An entry that is not there yet costs one request, so a table that stands still costs next to nothing, however long its
log is and however many files it has.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import obstore
from obstore.store import ObjectStore

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.files import location_of
from lakehouse.storage.log import entry_path

#: What of a change data file is in the table after the commit.
INSERTS = ("insert", "update_postimage")


@dataclass(frozen=True)
class AddedFile:
    """A data file of a commit. ``rows`` is None where its writer left no statistics.

    ``maxima`` are the largest values by column, as the log writes them, where there are statistics of it.
    """

    location: str
    rows: int | None
    size: int = 0
    maxima: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Commit:
    """One version. ``added`` has no file of a compaction, for these hold no row that is new.

    ``at_ms`` is when it was made, by the clock of its writer, in milliseconds since 1970. ``replaces`` says whether
    files were removed too, so that those added may hold old rows. ``changes`` are change data files: they name the new
    ones. ``appends`` says that all the commit did to files was to add some.
    """

    version: int
    at_ms: int
    added: tuple[AddedFile, ...]
    changes: tuple[AddedFile, ...]
    replaces: bool
    transactions: Mapping[str, int]
    appends: bool = True


@dataclass(frozen=True)
class Position:
    """A place in the log: the last version that was read, and the digest of its entry.

    With the digest, a table that was made anew under the same name is not taken for its predecessor.
    """

    version: int
    digest: int

    def holds(self, catalog: Catalog, name: str) -> bool:
        """Whether this entry is still in the log of the table, so that the reading can go on behind it."""
        return self == BEFORE_ALL or position_at(catalog, name, self.version) == self


#: Where the log begins: behind it comes version 0.
BEFORE_ALL = Position(-1, 0)


def position_at(catalog: Catalog, name: str, version: int) -> Position | None:
    """The position behind ``version``; None where its entry is gone."""
    body = _entry(catalog.store(name), version)
    return None if body is None else Position(version, zlib.crc32(body))


def stands(catalog: Catalog, name: str, position: Position) -> bool:
    """Whether ``position`` is still the newest: two small requests, however long the log and many the files."""
    return position.holds(catalog, name) and position_at(catalog, name, position.version + 1) is None


def commits_after(catalog: Catalog, name: str, position: Position, limit: int) -> Iterator[tuple[Commit, Position]]:
    """Up to ``limit`` commits behind ``position``, oldest first, each with the position behind it."""
    store, base = catalog.store(name), catalog.uri(name)
    for version in range(position.version + 1, position.version + 1 + limit):
        body = _entry(store, version)
        if body is None:
            return
        yield _commit(base, version, body), Position(version, zlib.crc32(body))


def _entry(store: ObjectStore, version: int) -> bytes | None:
    try:
        return bytes(obstore.get(store, entry_path(version)).bytes())
    except FileNotFoundError:
        return None


def _commit(base: str, version: int, body: bytes) -> Commit:
    at_ms, replaces, appends = 0, False, True
    added: list[AddedFile] = []
    changes: list[AddedFile] = []
    transactions: dict[str, int] = {}
    for line in body.splitlines():
        for kind, action in (json.loads(line) if line.strip() else {}).items():
            if kind == "commitInfo":
                at_ms = action.get("inCommitTimestamp") or action.get("timestamp") or 0
            elif kind == "add" and action["dataChange"]:
                added.append(_added(base, action))
            elif kind == "cdc":
                changes.append(_added(base, action))
            elif kind in ("add", "remove"):
                appends = False
                replaces |= action["dataChange"]
            elif kind == "txn":
                transactions[action["appId"]] = action["version"]
    return Commit(version, at_ms, tuple(added), tuple(changes), replaces, transactions, appends)


def _added(base: str, action: Mapping[str, Any]) -> AddedFile:
    stats = json.loads(action["stats"]) if action.get("stats") else {}
    return AddedFile(
        location_of(base, action["path"]), stats.get("numRecords"), action["size"], stats.get("maxValues", {})
    )
