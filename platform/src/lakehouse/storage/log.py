"""Commits files that are already written: one entry of the Delta log, put there only if no other entry is.

delta-rs commits the rows that it writes itself, and its transactions of given files know no change data files. The
rules kept here are the protocol's (https://github.com/delta-io/delta/blob/master/PROTOCOL.md); why they are kept here
is told in docs/decisions/0006-merge-by-copy-on-write.md.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import obstore
from deltalake import DeltaTable
from obstore.exceptions import AlreadyExistsError
from obstore.store import ObjectStore

from lakehouse.storage.catalog import Catalog
from lakehouse.storage.commit import ConcurrentWriteError, Progress

#: An action of the log, under the name of its kind.
Action = Mapping[str, Mapping[str, Any]]

#: Spark's default of `delta.checkpointInterval` is 10; delta-rs' own commits to these tables use 100.
_CHECKPOINT_INTERVAL = 100


@dataclass(frozen=True)
class Operation:
    """What `history` tells of a commit."""

    name: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, int]


def _any_rows(_path: str) -> bool:
    return True


def commit_files(
    catalog: Catalog,
    name: str,
    read: DeltaTable,
    operation: Operation,
    actions: Sequence[Action],
    progress: Progress,
    concerns: Callable[[str], bool] = _any_rows,
) -> int:
    """Commits ``actions`` and ``progress`` on top of ``read``; returns the version.

    A commit that came in between is let pass when it only rearranged files that these actions do not remove, as
    compaction does, or when ``concerns`` says of the path of each file that it added or removed that none of its rows
    bears on the actions. Raises ConcurrentWriteError for any other; nothing is stored then.
    """
    store = catalog.store(name)
    body = _entry(read, operation, actions, progress)
    version = read.version() + 1
    while not _put(store, version, body):
        _check_compatible(name, version, _actions(_get(store, version)), actions, progress, concerns)
        version += 1
    _checkpoint(catalog, name, version, read.metadata().configuration)
    return version


def _entry(read: DeltaTable, operation: Operation, actions: Iterable[Action], progress: Progress) -> bytes:
    now = time.time_ns() // 1_000_000
    info = {
        "timestamp": now,
        "operation": operation.name,
        "operationParameters": dict(operation.parameters),
        "operationMetrics": {metric: str(value) for metric, value in operation.metrics.items()},
        "readVersion": read.version(),
        "isolationLevel": "Serializable",
        "isBlindAppend": False,
        "engineInfo": "lakehouse",
        "txnId": str(uuid.uuid4()),
    }
    transactions = ({"appId": app_id, "version": version, "lastUpdated": now} for app_id, version in progress.items())
    lines = [{"commitInfo": info}, *({"txn": transaction} for transaction in transactions), *actions]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def _put(store: ObjectStore, version: int, body: bytes) -> bool:
    """Whether ``body`` is the entry of ``version`` now."""
    try:
        # Only a put in one request can be conditional.
        obstore.put(store, entry_path(version), body, mode="create", use_multipart=False)
    except AlreadyExistsError:
        # A put that was repeated because its answer got lost meets its own entry, which holds a unique txnId.
        return _get(store, version) == body
    return True


def _get(store: ObjectStore, version: int) -> bytes:
    return bytes(obstore.get(store, entry_path(version)).bytes())


def entry_path(version: int) -> str:
    """Where the entry of ``version`` is, relative to the table."""
    return f"_delta_log/{version:020}.json"


def _actions(entry: bytes) -> list[Action]:
    return [cast(Action, json.loads(line)) for line in entry.splitlines() if line.strip()]


def _check_compatible(
    name: str,
    version: int,
    theirs: Sequence[Action],
    ours: Sequence[Action],
    progress: Progress,
    concerns: Callable[[str], bool],
) -> None:
    removed = {action["remove"]["path"] for action in ours if "remove" in action}
    for action in theirs:
        for kind, body in action.items():
            if kind in ("metaData", "protocol"):
                reason = f"changed the table's {kind}"
            elif kind == "txn" and body["appId"] in progress:
                reason = f"stored the same writer's progress ({body['appId']})"
            elif kind == "remove" and not body["dataChange"] and body["path"] in removed:
                reason = f"moved rows that this one changes ({body['path']})"
            elif (
                kind in ("add", "remove") and body["dataChange"] and (body["path"] in removed or concerns(body["path"]))
            ):
                reason = "changed rows"
            else:
                continue
            raise ConcurrentWriteError(
                f"{name}: another writer committed version {version} while this one was computing, and {reason}. "
                "Nothing was written: run again."
            )


def _checkpoint(catalog: Catalog, name: str, version: int, configuration: Mapping[str, str]) -> None:
    """Keeps the log short, as delta-rs does after each of its own commits."""
    interval = int(configuration.get("delta.checkpointInterval", _CHECKPOINT_INTERVAL))
    if version % interval:
        return
    table = catalog.open(name, version)
    table.create_checkpoint()
    if configuration.get("delta.enableExpiredLogCleanup", "true") == "true":
        table.cleanup_metadata()
