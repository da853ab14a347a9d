"""How the replay differs from the live table, in figures: rows, keys and checksums of each day or window."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from contracts and the catalog

from dataclasses import dataclass

from duckdb import DuckDBPyConnection

from lakehouse.dbt_delta.columns import DELETED
from lakehouse.replay.difference import Difference, Pair
from lakehouse.storage.sql import quoted, quoted_list, same


@dataclass(frozen=True)
class Bucket:
    """A day or a window: how many rows both sides have, how many of them differ and how, and the checksums of all."""

    bucket: str
    live_rows: int
    replayed_rows: int
    only_live: int
    only_replayed: int
    changed: int
    live_checksum: str
    replayed_checksum: str

    @property
    def differing(self) -> int:
        """Rows that a swap would delete, insert or change."""
        return self.only_live + self.only_replayed + self.changed


@dataclass(frozen=True)
class Comparison:
    """The replay of ``table``, by day or window in order."""

    table: str
    buckets: tuple[Bucket, ...]

    @property
    def rows(self) -> int:
        """Of the side that has more."""
        return max(sum(b.live_rows for b in self.buckets), sum(b.replayed_rows for b in self.buckets))

    @property
    def differing(self) -> int:
        return sum(bucket.differing for bucket in self.buckets)

    def first(self, count: int) -> list[Bucket]:
        """Up to ``count`` buckets to show, in order: those that differ before any other."""
        differing_first = sorted(self.buckets, key=lambda bucket: bucket.differing == 0)
        return sorted(differing_first[:count], key=lambda bucket: bucket.bucket)


def compare(connection: DuckDBPyConnection, pair: Pair, found: Difference) -> Comparison:
    """The figures of ``found``. A checksum takes in keys and compared columns, in no order of rows."""
    hashed = f"hash({quoted_list((*pair.keys, *found.compared))})"
    sums = f"{pair.bucket} AS bucket, count(*) AS n, printf('%016x', bit_xor({hashed})) AS checksum"
    keys = quoted_list(pair.keys)
    in_both = same(pair.keys, "rows", "live", pair.nullable)
    is_new = f"NOT rows.{DELETED}"
    rows = connection.execute(
        f"WITH live AS (SELECT {sums} FROM {found.live} GROUP BY 1),"
        f" new AS (SELECT {sums} FROM {found.new} GROUP BY 1),"
        f" differing AS (SELECT {pair.bucket} AS bucket, count_if({DELETED}) AS gone,"
        f"  count_if(NOT {DELETED} AND NOT held) AS fresh, count_if(NOT {DELETED} AND held) AS changed FROM ("
        f"   SELECT rows.*, live.held IS NOT NULL AND {is_new} AS held FROM {found.rows} AS rows"
        f"   LEFT JOIN (SELECT {keys}, true AS held FROM {found.live}) AS live ON {in_both}) GROUP BY 1)\n"
        "SELECT CAST(coalesce(bucket, 'unknown') AS VARCHAR), coalesce(live.n, 0), coalesce(new.n, 0),"
        " coalesce(gone, 0), coalesce(fresh, 0), coalesce(changed, 0), coalesce(live.checksum, ''),"
        " coalesce(new.checksum, '')\n"
        "FROM live FULL JOIN new USING (bucket) FULL JOIN differing USING (bucket) ORDER BY 1"
    ).fetchall()
    return Comparison(pair.name, tuple(Bucket(*row) for row in rows))


def by_day(column: str) -> str:
    """SQL for the day of ``column``, UTC."""
    return f"strftime({quoted(column)}, '%Y-%m-%d')"


def by_window(column: str) -> str:
    """SQL for the window that begins at ``column``, UTC."""
    return f"strftime({quoted(column)}, '%Y-%m-%d %H:%M:%S')"
