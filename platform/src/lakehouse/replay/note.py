"""What is kept of each replay: beside the tables, so that every machine that reaches them knows of it."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import obstore
from obstore.store import ObjectStore
from pydantic import BaseModel, Field

from lakehouse.invocation import command
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.scope import Scope
from lakehouse.storage.catalog import Catalog, existing_store, object_store
from lakehouse.storage.commit import REPLAY

#: No table has such a name: a directory that begins with an underscore is no schema.
_DIRECTORY = "_replays"
_ID = re.compile(r"[a-z0-9]{4,36}")


class State(StrEnum):
    """How far a replay has come."""

    COMPUTING = "computing"
    DIFFERS = "differs"
    EQUAL = "equal"
    SWAPPING = "swapping"
    SWAPPED = "swapped"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    DISCARDED = "discarded"


#: States in which rows of the live tables may be those of the replay.
REPLACING = (State.SWAPPING, State.SWAPPED, State.ROLLING_BACK)


class Note(BaseModel):
    """One replay. ``start`` is where a computation begins to read, by partition, ``end`` where a Flink job ends (empty
    where Spark computes), and ``chunk`` how many events it takes at a time; ``sides`` is the table beside each live
    one, ``side_versions`` what of it the finished computation left; ``differing`` how many rows differ.

    ``swap`` is what was asked for when it was begun; ``versions`` are those of the live tables that a swap began with,
    at ``swapped_at``.
    """

    id: str
    table: str
    asked: str
    scope: Scope
    swap: bool | None = None
    start: dict[int, int] = {}
    end: dict[int, int] = {}
    chunk: int | None = None
    sides: dict[str, str] = {}
    side_versions: dict[str, int] = {}
    state: State = State.COMPUTING
    differing: int | None = None
    versions: dict[str, int] = {}
    begun_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    swapped_at: datetime | None = None

    @property
    def app_id(self) -> str:
        """Under which its commits are marked in the live table, see `swap`."""
        return f"{REPLAY}{self.id}"


@dataclass(frozen=True)
class Notes:
    """The replays of a catalog's tables."""

    catalog: Catalog

    def write(self, note: Note) -> None:
        """Keeps ``note`` in the place of what was kept of it before."""
        # There is a root, or there would be no table to replay.
        store = object_store(self.catalog.root, self.catalog.storage_options)
        obstore.put(store, self._path(note.id), note.model_dump_json(indent=2).encode())

    def find(self, replay_id: str) -> Note | None:
        """The replay of that id. Raises ReplayError for what is no id."""
        if _ID.fullmatch(replay_id) is None:
            raise ReplayError(f"{replay_id!r} is no id of a replay. Those there are: {command('replay list')}")
        store = self._existing()
        try:
            return None if store is None else _read(store, self._path(replay_id))
        except FileNotFoundError:
            return None

    def get(self, replay_id: str) -> Note:
        """As ``find``, and raises ReplayError naming the replays there are."""
        note = self.find(replay_id)
        if note is None:
            known = ", ".join(note.id for note in self.all()) or "none yet"
            raise ReplayError(f"there is no replay {replay_id!r}. Replays: {known}")
        return note

    def all(self) -> list[Note]:
        """Every replay, the newest last."""
        store = self._existing()
        if store is None:
            return []
        notes = [_read(store, entry["path"]) for chunk in obstore.list(store, f"{_DIRECTORY}/") for entry in chunk]
        return sorted(notes, key=lambda note: note.begun_at)

    def later(self, note: Note) -> str | None:
        """The id of the newest replay that replaced rows of the same range behind ``note``, and has not been taken
        back.
        """
        since = note.swapped_at or datetime.now(UTC)
        others = [
            (other.swapped_at, other.id)
            for other in self.all()
            if other.id != note.id and other.table == note.table and other.state in REPLACING
            if other.swapped_at is not None and other.swapped_at > since and other.scope.overlaps(note.scope)
        ]
        return max(others)[1] if others else None

    def _existing(self) -> ObjectStore | None:
        return existing_store(self.catalog.root, self.catalog.storage_options)

    def _path(self, replay_id: str) -> str:
        return f"{_DIRECTORY}/{replay_id}.json"


def _read(store: ObjectStore, path: str) -> Note:
    return Note.model_validate_json(bytes(obstore.get(store, path).bytes()))
