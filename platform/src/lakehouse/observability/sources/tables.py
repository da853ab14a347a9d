"""Version, size and files of every table, read from its log when it has a new version, and not before."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.observability.metrics import (
    TABLE_BYTES,
    TABLE_COMMIT,
    TABLE_FILES,
    TABLE_ROWS,
    TABLE_SMALL,
    TABLE_VERSION,
    Families,
)
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import commit_time
from lakehouse.storage.tail import Position, position_at, stands

#: A file below this is small, and a table has too many when it has more than a compacted one would.
_SMALL_BYTES, _FEW_FILES = 16 * 1024**2, 16


@dataclass(frozen=True)
class _Size:
    position: Position | None
    version: int
    committed_at: float
    rows: int
    bytes: int
    files: int
    small: int


class TableSizes:
    """Looks at every table of ``catalog``."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._known: dict[str, _Size] = {}

    def __call__(self) -> Families:
        """Raises StoreError."""
        self._known = {name: self._look(name) for name in self._catalog.names()}
        found = Families()
        for name, size in self._known.items():
            ratio = size.small / size.files if size.small > _FEW_FILES else 0.0
            for spec, value in (
                (TABLE_VERSION, size.version),
                (TABLE_ROWS, size.rows),
                (TABLE_BYTES, size.bytes),
                (TABLE_FILES, size.files),
                (TABLE_SMALL, ratio),
                (TABLE_COMMIT, size.committed_at),
            ):
                found.add(spec, (name,), value)
        return found

    def _look(self, name: str) -> _Size:
        known = self._known.get(name)
        if known and known.position and stands(self._catalog, name, known.position):
            return known
        table = self._catalog.open(name)
        actions = pa.table(table.get_add_actions())
        sizes = actions["size_bytes"]
        return _Size(
            position=position_at(self._catalog, name, table.version()),
            version=table.version(),
            committed_at=commit_time(table).timestamp(),
            rows=int(pc.sum(actions["num_records"]).as_py() or 0),
            bytes=int(pc.sum(sizes).as_py() or 0),
            files=actions.num_rows,
            small=int(pc.sum(pc.less(sizes, _SMALL_BYTES)).as_py() or 0),
        )
