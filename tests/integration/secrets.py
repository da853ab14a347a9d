"""Where secrets could be read that clients are given: in what they write to the store, and to files."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from obstore.store import ObjectStore

from lakehouse.storage import Catalog
from lakehouse.storage.catalog import object_store


def found_in(secrets: Iterable[str], catalog: Catalog, directory: Path) -> list[str]:
    """The objects below the root of ``catalog`` and the files below ``directory`` in which one of ``secrets`` stands.

    Fails where there is nothing of either to look at.
    """
    store = object_store(catalog.root, catalog.storage_options)
    # Hadoop marks directories with empty objects, whose names end in a slash that gets lost.
    objects = [meta["path"] for batch in store.list() for meta in batch if meta["size"]]
    # A walk goes on where a directory is gone since it was listed.
    named = (Path(at, name) for at, _, names in os.walk(directory) for name in names)
    files = [file for file in named if file.is_file()]
    assert any(name.endswith(".json") for name in objects)
    assert any(file.suffix == ".log" for file in files)
    reads: dict[str, Callable[[], bytes]] = {name: partial(_object, store, name) for name in objects}
    reads |= {str(file): file.read_bytes for file in files}
    wanted = [secret.encode() for secret in secrets]
    return [name for name, read in reads.items() if _has(_content(read), wanted)]


def _has(content: bytes, wanted: list[bytes]) -> bool:
    return any(secret in content for secret in wanted)


def _object(store: ObjectStore, name: str) -> bytes:
    return bytes(store.get(name).bytes())


def _content(read: Callable[[], bytes]) -> bytes:
    """Nothing of what is gone since it was listed, as a checkpoint is once there is a newer one."""
    with suppress(FileNotFoundError):
        return read()
    return b""
