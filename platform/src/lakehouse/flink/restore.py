"""Which checkpoint or savepoint a job begins with, and which are needed no more."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import obstore
from obstore.store import ObjectStore

from lakehouse.storage.catalog import existing_store

#: Flink writes it last: a checkpoint without it is incomplete.
_METADATA = "_metadata"
_SAVEPOINTS = "savepoints/"
_SAVEPOINTS_KEPT = 3


def newest_complete(location: str, storage_options: Mapping[str, str]) -> str | None:
    """The newest complete checkpoint or savepoint below ``location``, as Flink addresses it; None without any.

    ``location`` is a path or an address that Hadoop's file systems know, such as ``s3a://bucket/prefix``.
    """
    found = _complete(existing_store(location, storage_options))
    return f"{as_uri(location)}/{found[-1]}" if found else None


def is_savepoint(location: str) -> bool:
    """Whether ``location``, as `newest_complete` gives it, is a savepoint."""
    return f"/{_SAVEPOINTS}" in location


def holds_files(location: str, storage_options: Mapping[str, str]) -> bool:
    """Whether anything is below ``location``."""
    return next(_objects(existing_store(location, storage_options)), None) is not None


def prune(location: str, storage_options: Mapping[str, str], job_id: str) -> None:
    """Deletes below ``location`` what other jobs than ``job_id`` left, and all savepoints but the newest few.

    To be called when that job has complete checkpoints of its own: the first of these holds nothing of earlier jobs.
    """
    store = existing_store(location, storage_options)
    if store is None:
        return
    savepoints = [path for path in _complete(store) if path.startswith(_SAVEPOINTS)]
    kept = (f"{job_id}/", *(f"{path}/" for path in savepoints[-_SAVEPOINTS_KEPT:]))
    obsolete = [path for path, _ in _objects(store) if not path.startswith(kept)]
    if obsolete:
        obstore.delete(store, obsolete)


def _complete(store: ObjectStore | None) -> list[str]:
    """Directories of complete checkpoints and savepoints, oldest first."""
    found = sorted((moment, path) for path, moment in _objects(store) if path.rsplit("/", 1)[-1] == _METADATA)
    return [path.removesuffix(f"/{_METADATA}") for _, path in found]


def _objects(store: ObjectStore | None) -> Iterator[tuple[str, datetime]]:
    for batch in obstore.list(store) if store else ():
        for meta in batch:
            yield str(meta["path"]), meta["last_modified"]


def as_uri(location: str) -> str:
    """``location`` with its scheme."""
    return location if "://" in location else f"file://{location}"
