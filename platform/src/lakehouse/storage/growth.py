"""Follows what a table holds by what its log says was added: a table that is only appended to is never loaded again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import TableStats, table_stats
from lakehouse.storage.tail import AddedFile, Position, commits_after, position_at

#: A table that is further behind is loaded: reading so many entries costs as much.
_MOST_COMMITS = 200


@dataclass(frozen=True)
class Known:
    """What the table held at ``position``. ``stats.maxima`` are of timestamps."""

    position: Position
    stats: TableStats

    def as_json(self) -> dict[str, Any]:
        stats = self.stats
        return {
            "version": stats.version,
            "digest": self.position.digest,
            "committed_at": stats.committed_at.isoformat(),
            "rows": stats.rows,
            "bytes": stats.bytes,
            "files": stats.files,
            "maxima": {name: value.isoformat() for name, value in _moments(stats.maxima).items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Known":
        maxima = {name: datetime.fromisoformat(value) for name, value in values["maxima"].items()}
        return cls(
            Position(values["version"], values["digest"]),
            TableStats(
                values["version"],
                datetime.fromisoformat(values["committed_at"]),
                values["rows"],
                values["bytes"],
                values["files"],
                dict(maxima),
            ),
        )


def follow(catalog: Catalog, name: str, columns: Sequence[str], known: Known | None) -> Known | None:
    """What the table holds now, with the maxima of its timestamps ``columns``; ``known`` itself where nothing changed.

    None where there is no such table, or where its log was cleaned while it was read. Reads the entries behind
    ``known``; where these removed files, as a merge or a compaction does, or are too many, the table is loaded.
    """
    if known is not None and known.position.holds(catalog, name):
        commits = list(commits_after(catalog, name, known.position, _MOST_COMMITS))
        if not commits:
            return known
        if len(commits) < _MOST_COMMITS and all(commit.appends for commit, _ in commits):
            stats = known.stats
            for commit, _ in commits:
                made_at = datetime.fromtimestamp(commit.at_ms / 1000, UTC)
                stats = _grown(replace(stats, version=commit.version, committed_at=made_at), commit.added, columns)
            return Known(commits[-1][1], stats)
    if not catalog.exists(name):
        return None
    stats = table_stats(catalog, name, maxima_of=columns)
    position = position_at(catalog, name, stats.version)
    return None if position is None else Known(position, stats)


def _grown(stats: TableStats, added: Sequence[AddedFile], columns: Sequence[str]) -> TableStats:
    maxima = dict(stats.maxima)
    for file in added:
        for column in columns:
            if (text := file.maxima.get(column)) is not None:
                held, found = maxima.get(column), _as_utc(datetime.fromisoformat(str(text)))
                maxima[column] = max(_as_utc(held), found) if isinstance(held, datetime) else found
    return replace(
        stats,
        rows=stats.rows + sum(file.rows or 0 for file in added),
        bytes=stats.bytes + sum(file.size for file in added),
        files=stats.files + len(added),
        maxima=maxima,
    )


def _moments(maxima: Mapping[str, object]) -> dict[str, datetime]:
    return {name: _as_utc(value) for name, value in maxima.items() if isinstance(value, datetime)}


def _as_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
