"""Room on the disk that holds the tables."""

import shutil
from pathlib import Path

from lakehouse.observability.metrics import STORE_FREE, STORE_SIZE, Families


class StoreSpace:
    """The disk below ``root``, where that is a path: an object store has room for all."""

    def __init__(self, root: str) -> None:
        self._root = None if "://" in root else Path(root)

    def __call__(self) -> Families:
        """Nothing while the directory has not been made."""
        found = Families()
        if self._root is not None and self._root.is_dir():
            usage = shutil.disk_usage(self._root)
            found.add(STORE_FREE, (), usage.free)
            found.add(STORE_SIZE, (), usage.total)
        return found
