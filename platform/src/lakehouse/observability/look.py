"""A look at the tables of a contract: what was committed since the last one, read once and never again."""

import time

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable
from numpy.typing import NDArray

from lakehouse.contracts.model import Contract, OnInvalid
from lakehouse.observability.histogram import Histogram
from lakehouse.observability.offsets import Held
from lakehouse.observability.rows import coordinates, moments, reasons
from lakehouse.observability.state import Measured, locked, read_state, state_file, write_state
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.commit import REPLAY
from lakehouse.storage.files import location_of
from lakehouse.storage.stats import commit_time
from lakehouse.storage.tail import BEFORE_ALL, AddedFile, Commit, commits_after, position_at

#: A look after a long pause reads so many commits of a table; the next look goes on, and until then no age is told.
_MOST_COMMITS = 2_000
#: A table of so few versions is read from the first one on: nothing of a new table is missed.
_YOUNG = 10
#: Where nothing is known, the newest files tell where each partition stands; more of them, or more bytes, are not read.
_NEWEST_FILES, _NEWEST_BYTES = 64, 256 * 1024**2
#: Columns by which a transform says when it made a row, in the order of preference.
_MADE_AT = ("emitted_at", "processed_at", "detected_at")
#: How the reasons of quarantine rows begin that stand for lost events, see lakehouse_spark.gaps.
LOST = "offsets_lost"


def look(settings: Settings, catalog: Catalog, contract: Contract) -> Measured:
    """Measures what is new in the tables of ``contract``, stores it, and returns all that is known of them."""
    file = state_file(settings, contract.table)
    if not file.exists() and not any(catalog.exists(name) for name in _tables(contract)):
        return Measured(contract.source.topic)
    with locked(file):
        stored = read_state(file)
        state = Measured.from_json(stored) if stored else Measured(contract.source.topic)
        state = update(catalog, contract, state)
        write_state(file, state.as_json())
    return state


def update(catalog: Catalog, contract: Contract, state: Measured) -> Measured:
    """``state`` with what the tables of ``contract`` got since; a new one where it is that of other tables."""
    names = [name for name in _tables(contract) if catalog.exists(name)]
    if state.topic != contract.source.topic or not all(
        position.holds(catalog, name) for name, position in state.positions.items() if name in names
    ):
        state = Measured(contract.source.topic)
    state.caught_up = True
    # Quarantine leads in the order of commits, and what it holds is no hole in the table.
    for name in names:
        if name not in state.positions:
            _begin(catalog, contract, state, name)
        begun = state.positions[name].version
        for commit, position in commits_after(catalog, name, state.positions[name], _MOST_COMMITS):
            _count(catalog, contract, state, name, commit)
            state.positions[name] = position
        state.caught_up &= state.positions[name].version - begun < _MOST_COMMITS
    state.looked_ms = int(time.time() * 1000)
    state.forget(state.looked_ms)
    return state


def made_at(contract: Contract) -> str | None:
    """The column that says when a row of a transform was made; None without one."""
    names = {column.name for column in contract.columns}
    return next((name for name in _MADE_AT if name in names), None)


def _tables(contract: Contract) -> list[str]:
    quarantine = [contract.rejected_table] if contract.on_invalid is OnInvalid.QUARANTINE else []
    return [*quarantine, contract.table, *([contract.late] if contract.late else [])]


def _count(catalog: Catalog, contract: Contract, state: Measured, name: str, commit: Commit) -> None:
    plain = contract.transform is None
    if _replayed(commit) or (commit.replaces and (plain or name != contract.table)):
        # Rows were deleted, updated or replayed. Those of the new files came with other commits, and were counted then.
        if name != contract.late:
            _hold(catalog, contract, state, commit.added)
    elif name == contract.late:
        late = sum(file.rows or 0 for file in commit.added)
        state.late += late
        state.refuse(commit.at_ms, late=late)
    elif name == contract.rejected_table:
        for code, count in reasons(catalog, commit.added).items():
            state.rejected[code] = state.rejected.get(code, 0) + count
            if code != LOST:  # One row of many events, which were not invalid.
                state.refuse(commit.at_ms, invalid=count)
        state.duplicates += _hold(catalog, contract, state, commit.added)[1]
    elif commit.added:
        if plain:
            timestamps, duplicates = _hold(catalog, contract, state, commit.added)
            state.duplicates += duplicates
            state.add(commit.version, commit.at_ms, Histogram.of(commit.at_ms - timestamps))
        elif (column := made_at(contract)) is not None:
            made = moments(catalog, commit, column, state.last_commit_ms)
            state.add(commit.version, commit.at_ms, Histogram.of(commit.at_ms - made))
    if name == contract.table and commit.added:
        state.last_commit_ms = commit.at_ms


def _replayed(commit: Commit) -> bool:
    """Whether a replay made it: its rows are old events, and no later than they were."""
    return any(app_id.startswith(REPLAY) for app_id in commit.transactions)


def _hold(
    catalog: Catalog, contract: Contract, state: Measured, files: tuple[AddedFile, ...]
) -> tuple[NDArray[np.int64], int]:
    """Notes the offsets of ``files``; the timestamps of those rows whose event no table held yet, and how many did."""
    partition, offset, timestamp = coordinates(catalog, files, contract.source.topic)
    new = np.zeros(len(offset), dtype=bool)
    for number in np.unique(partition).tolist():
        of_it = partition == number
        held = state.held.setdefault(number, Held())
        new[of_it] = held.add(offset[of_it])
        if contract.on_invalid is OnInvalid.DROP and held.end is not None:
            # What was dropped is in no table. Partitions are read in order: all below the newest row is done with.
            held.start_at(held.end)
    return timestamp[new], int(len(new) - new.sum())


def _begin(catalog: Catalog, contract: Contract, state: Measured, name: str) -> None:
    """Starts at the first version of a young table, at the present one of any other."""
    table = catalog.open(name)
    if table.version() <= _YOUNG and position_at(catalog, name, 0) is not None:
        state.positions[name] = BEFORE_ALL
        return
    state.positions[name] = position_at(catalog, name, table.version()) or BEFORE_ALL
    if name == contract.table:
        state.last_commit_ms = int(commit_time(table).timestamp() * 1000)
    if name == contract.late or contract.transform is not None:
        return
    state.began_empty = False
    partition, offset, _ = coordinates(catalog, _newest(table, catalog.uri(name)), contract.source.topic)
    for number in np.unique(partition).tolist():
        held = state.held.setdefault(number, Held())
        held.start_at(max(held.begin or 0, int(offset[partition == number].max()) + 1))


def _newest(table: DeltaTable, base: str) -> list[AddedFile]:
    files = sorted(pa.table(table.get_add_actions()).to_pylist(), key=lambda file: file["modification_time"])
    newest: list[AddedFile] = []
    size = 0
    for file in reversed(files[-_NEWEST_FILES:]):
        size += file["size_bytes"]
        if newest and size > _NEWEST_BYTES:
            break
        newest.append(AddedFile(location_of(base, file["path"]), file["num_records"]))
    return newest
