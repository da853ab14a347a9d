"""Takes a swap back: the replayed range is as it was before, and all that was written since stays."""

from lakehouse.contracts.loader import find_contract
from lakehouse.invocation import command
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.note import REPLACING, Note, State
from lakehouse.replay.run import Replays
from lakehouse.replay.sides import drop_sides
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.commit import progress_of
from lakehouse.storage.duck import delta_scan_sql
from lakehouse.storage.tail import Position, commits_after

#: Entries of the log that are read at a time.
_ENTRIES = 1_000


def roll_back(replays: Replays, note: Note) -> Note:
    """Puts back what the swap of ``note``, whole or cut short, replaced, in one commit a table. Again is fine.

    Raises ReplayError where it is not swapped in, where a later replay of the same rows is, and where the rows before
    were vacuumed.
    """
    if note.state is State.ROLLED_BACK:
        return note
    if note.state not in REPLACING:
        raise ReplayError(
            f"replay {note.id} of {note.table} is {note.state.value}, and not swapped in: the live table has none of "
            f"its rows. Replays that are: {command('replay list')}"
        )
    if later := replays.notes.later(note):
        raise ReplayError(
            f"replay {note.id} of {note.table} is not rolled back: replay {later} has replaced the same rows since. "
            f"Roll that one back first: {command(f'replay rollback {later}')}"
        )
    contract = find_contract(replays.settings.contracts_dir, note.table)
    before = {name: _version_before(replays.catalog, name, note) for name in note.sides}
    others = {name: delta_scan_sql(replays.catalog, name, v) for name, v in before.items() if v is not None}
    note = replays.noted(note, {"state": State.ROLLING_BACK})
    replays.commit(contract, note, others, back=True)
    note = replays.noted(note, {"state": State.ROLLED_BACK})
    # Those of a swap that was not finished.
    drop_sides(replays.settings, replays.catalog, note)
    return note


def _version_before(catalog: Catalog, name: str, note: Note) -> int | None:
    """The version of a table before the swap; None where the swap found nothing to change in it.

    The writer has committed too since the swap began: the log tells which commit is the replay's first. Raises
    ReplayError where the log has forgotten it.
    """
    if progress_of(catalog.open(name), note.app_id) is None:
        return None
    at = Position(note.versions[name], 0)
    while commits := list(commits_after(catalog, name, at, _ENTRIES)):
        for commit, position in commits:
            if note.app_id in commit.transactions:
                return commit.version - 1
            at = position
    raise ReplayError(
        f"replay {note.id}: the log of {name} no longer holds the swap, which was made behind version "
        f"{note.versions[name]}: it is older than the contract's `retention`. A replay of {note.scope} by the code and "
        "the contract of then computes the rows again."
    )
