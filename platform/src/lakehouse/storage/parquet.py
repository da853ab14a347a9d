"""Parquet files that DuckDB writes below a table, with the statistics by which readers skip them."""

# SQL is what this module makes, of paths and names that come from the table's own log

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from duckdb import DuckDBPyConnection

from lakehouse.storage.files import NewFile, Partition
from lakehouse.storage.sql import literal, quoted

#: DuckDB's own default.
ROW_GROUP_ROWS = 122_880
#: zstd's fastest level takes a quarter of the CPU time off a merge for files that are 3 % larger.
_OPTIONS = (
    f"FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE {ROW_GROUP_ROWS}, "
    "FILENAME_PATTERN 'part-{uuidv7}', OVERWRITE_OR_IGNORE, RETURN_STATS"
)
#: Above this a file is closed and the next one begun.
_FILE_BYTES = 128 * 1024 * 1024
#: Longer strings are no use for skipping, and make every reader's log longer. DuckDB cuts its own off at 256.
_LONGEST_BOUND = 128
#: Decimals of more digits do not survive JSON's doubles.
_EXACT_DIGITS = 15

Bounds = Mapping[str, str]


def write_parquet(
    connection: DuckDBPyConnection,
    base: str,
    directory: str,
    sql: str,
    columns: Mapping[str, str],
    partition: Partition,
) -> list[NewFile]:
    """Writes the rows of ``sql`` to files in ``directory`` below ``base``; to one that is empty where there are none.

    ``columns`` are those of the files, name to DuckDB type.
    """
    target = f"{base}/{directory}".rstrip("/")
    if "://" not in target:
        Path(target).mkdir(parents=True, exist_ok=True)
    copy = f"COPY ({sql}) TO {literal(target)} ({_OPTIONS}, FILE_SIZE_BYTES {_FILE_BYTES})"
    files = []
    for location, rows, size, _, statistics, _ in connection.execute(copy).fetchall():
        bounds = {name: statistics.get(quoted(name), {}) for name in columns}
        file = NewFile(
            path=str(location).removeprefix(f"{base}/"),
            size=size,
            rows=rows,
            partition=partition,
            stats=_stats(rows, bounds, columns),
            nulls={name: int(of["null_count"]) for name, of in bounds.items() if "null_count" in of},
        )
        files.append(file)
    return files


def _stats(rows: int, bounds: Mapping[str, Bounds], columns: Mapping[str, str]) -> str:
    stats: dict[str, object] = {"numRecords": rows}
    for key, bound in (("minValues", "min"), ("maxValues", "max")):
        texts = {name: of[bound] for name, of in bounds.items() if bound in of}
        values = {name: _bound(text, columns[name], bound) for name, text in texts.items()}
        stats[key] = {name: value for name, value in values.items() if value is not None}
    stats["nullCount"] = {name: int(of["null_count"]) for name, of in bounds.items() if "null_count" in of}
    return json.dumps(stats, separators=(",", ":"))


def _bound(text: str, kind: str, bound: str) -> object:
    """A smallest or largest value as the protocol's statistics write it; None where readers do better without.

    Floating point has none: NaN is the largest value to some readers, and DuckDB leaves out a row group that has one.
    """
    if kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT"):
        return int(text)
    if decimal := re.fullmatch(r"DECIMAL\((\d+),\d+\)", kind):
        return float(text) if int(decimal[1]) <= _EXACT_DIGITS else None
    if kind == "VARCHAR":
        return text if len(text) <= _LONGEST_BOUND else None
    if kind == "DATE":
        return text if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else None
    if kind in ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return _milliseconds(text, up=bound == "max")
    return None


def _milliseconds(text: str, *, up: bool) -> str | None:
    """Statistics of timestamps have milliseconds; a largest value is rounded up to stay a bound."""
    try:
        moment = datetime.fromisoformat(text)
        below = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        rounded = below + timedelta(milliseconds=1) if up and below < moment else below
    except (ValueError, OverflowError):  # infinity, a year that has not four digits, or one that rounding gives five
        return None
    return rounded.replace(tzinfo=None).isoformat(timespec="milliseconds") + ("Z" if moment.tzinfo else "")
