"""A replay from beginning to end: computed beside the live table, compared with it, swapped in or left to look at.

Each step is noted before the next, and does nothing where it was done before: after a crash at any point, the same
replay is run again and ends as it would have.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lakehouse.contracts.loader import find_contract, load_contracts
from lakehouse.contracts.model import Contract
from lakehouse.invocation import command
from lakehouse.observability.broker import Broker
from lakehouse.replay.compare import Comparison, compare
from lakehouse.replay.difference import difference
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.flink_job import BROKER_SECONDS, FlinkReplay, job_ends
from lakehouse.replay.note import REPLACING, Note, Notes, State
from lakehouse.replay.pairs import database, pairs
from lakehouse.replay.request import Request
from lakehouse.replay.scope import Scope
from lakehouse.replay.sides import drop_sides, side_tables
from lakehouse.replay.span import Span
from lakehouse.replay.spark import compute_in_spark
from lakehouse.replay.swap import Swap, in_order
from lakehouse.replay.writer import unsettled
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.commit import ConcurrentWriteError, progress_of
from lakehouse.storage.create import check_tables
from lakehouse.storage.duck import delta_scan_sql

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def new_id() -> str:
    """The id of a new replay."""
    return uuid.uuid4().hex[:8]


@dataclass(frozen=True)
class Outcome:
    """Where a replay stands, and how its rows compare with the live ones: one comparison a table.

    ``followers`` are tables computed from the live one, which can only follow what is added to it.
    """

    note: Note
    comparisons: tuple[Comparison, ...]
    followers: tuple[str, ...] = ()

    @property
    def differing(self) -> int:
        return sum(comparison.differing for comparison in self.comparisons)

    @property
    def share(self) -> float:
        """Of the rows, those that differ."""
        return self.differing / max(sum(comparison.rows for comparison in self.comparisons), 1)


@dataclass(frozen=True)
class Replays:
    """The replays of one lakehouse. ``spark`` is a session to compute in; None: one is started where it is needed."""

    settings: Settings
    spark: "SparkSession | None" = None

    def run(self, request: Request, replay_id: str, *, swap: bool | None = None) -> Outcome:
        """Replays what ``request`` asks for, or goes on with the replay of that id where there is one.

        ``swap``: True in any case, False in none, None where no more rows differ than the contract tolerates. Raises
        ReplayError, and what the computation raises; then the live table is as it was.
        """
        note = self.notes.find(replay_id) or self._begin(request, replay_id, swap)
        return self.go_on(note, swap=swap)

    def go_on(self, note: Note, *, swap: bool | None = None) -> Outcome:
        """As ``run``, for one that was begun."""
        if note.state in (State.ROLLED_BACK, State.DISCARDED):
            raise ReplayError(f"replay {note.id} of {note.table} is {note.state.value}: begin a new one.")
        if note.state is State.ROLLING_BACK:
            raise ReplayError(
                f"replay {note.id} of {note.table} is rolling back. Finish that first: "
                f"{command(f'replay rollback {note.id}')}"
            )
        if note.state in (State.SWAPPED, State.EQUAL):
            # A crash behind the note may have left them.
            drop_sides(self.settings, self.catalog, note)
            return Outcome(note, ())
        contract = find_contract(self.settings.contracts_dir, note.table)
        check_tables(self.catalog, contract)
        if note.state is State.COMPUTING:
            try:
                self._compute(contract, note)
            finally:
                self.check_unchanged(note)
            versions = {live: self.catalog.open(side).version() for live, side in note.sides.items()}
            note = note.model_copy(update={"side_versions": versions})
        outcome = self._compared(contract, note)
        if outcome.note.state is State.SWAPPING or swap or (swap is None and self._tolerated(contract, outcome)):
            outcome = self._swap(contract, outcome)
        if outcome.note.state in (State.SWAPPED, State.EQUAL):
            drop_sides(self.settings, self.catalog, note)
        return outcome

    def discard(self, note: Note) -> None:
        """Deletes the side tables of a replay that nobody wants. Raises ReplayError for one that has replaced rows."""
        if note.state in REPLACING and self._has_committed(note):
            raise ReplayError(
                f"replay {note.id} of {note.table} is {note.state.value} and has replaced rows. Take these back first: "
                f"{command(f'replay rollback {note.id}')}"
            )
        # First of all: a run that is at it, or that finds half a side table, learns from it that there is nothing left.
        note = self.noted(note, {"state": State.DISCARDED})
        drop_sides(self.settings, self.catalog, note)

    @property
    def catalog(self) -> Catalog:
        return Catalog.from_settings(self.settings)

    @property
    def notes(self) -> Notes:
        return Notes(self.catalog)

    def _begin(self, request: Request, replay_id: str, swap: bool | None) -> Note:
        contract = find_contract(self.settings.contracts_dir, request.table)
        # Names the tables there are.
        self.catalog.open(contract.table)
        check_tables(self.catalog, contract)
        with Broker(self.settings.kafka, BROKER_SECONDS) as broker:
            scope, start = self._resolved(contract, request, broker)
            end = job_ends(contract, broker)
        sides = side_tables(contract, replay_id)
        note = Note(
            id=replay_id,
            table=contract.table,
            asked=str(request),
            scope=scope,
            swap=swap,
            start=start,
            end=end,
            chunk=contract.source.largest_batch,
            sides=sides,
        )
        self.notes.write(note)
        return note

    def _resolved(self, contract: Contract, request: Request, broker: Broker) -> tuple[Scope, dict[int, int]]:
        if contract.transform is None:
            return Span(self.catalog, contract, broker, request).scope(), {}
        from lakehouse.replay.windows import Windows

        return Windows(self.catalog, contract, broker, self.settings.kafka, request).scope()

    def _compute(self, contract: Contract, note: Note) -> None:
        if note.end:
            FlinkReplay(self.settings, self.catalog, contract, note).compute()
        else:
            compute_in_spark(self.settings, self.catalog, contract, note, self.spark)

    def _compared(self, contract: Contract, note: Note) -> Outcome:
        others = self._computed(note)
        comparisons = []
        with database(self.settings, self.catalog, contract, note.scope) as connection:
            for pair in pairs(contract, note.scope, others):
                with difference(connection, self.catalog, pair, self.catalog.open(pair.name).version()) as found:
                    comparisons.append(compare(connection, pair, found))
        outcome = Outcome(note, tuple(comparisons), self._followers(contract))
        # What was begun to be swapped is equal by now in the tables that it came to.
        if note.state is not State.SWAPPING:
            state = State.DIFFERS if outcome.differing else State.EQUAL
            outcome = replace(outcome, note=self.noted(note, {"state": state, "differing": outcome.differing}))
        return outcome

    def _tolerated(self, contract: Contract, outcome: Outcome) -> bool:
        # Of the tables that follow this one each would stop at a changed row: that is to be told.
        if not outcome.differing or outcome.followers or unsettled(self.settings, contract):
            return False
        return outcome.share <= contract.replay_tolerance

    def _swap(self, contract: Contract, outcome: Outcome) -> Outcome:
        if outcome.note.state is not State.SWAPPING:
            if not outcome.differing:
                return outcome
            if reason := unsettled(self.settings, contract):
                raise ReplayError(reason)
            versions = {name: self.catalog.open(name).version() for name in outcome.note.sides}
            begun = {"state": State.SWAPPING, "versions": versions, "swapped_at": datetime.now(UTC)}
            outcome = replace(outcome, note=self.noted(outcome.note, begun))
        elif later := self.notes.later(outcome.note):
            raise ReplayError(
                f"the swap of replay {outcome.note.id} of {outcome.note.table} is not finished: replay {later} has "
                "replaced the same rows since it was begun. Take that back first: "
                f"{command(f'replay rollback {later}')}; or this one: {command(f'replay rollback {outcome.note.id}')}"
            )
        note = outcome.note
        self.commit(contract, note, self._computed(note))
        return replace(outcome, note=self.noted(note, {"state": State.SWAPPED}))

    def commit(self, contract: Contract, note: Note, others: Mapping[str, str], *, back: bool = False) -> None:
        """Makes the rows of the note's range those of ``others``, by live table; each commit is made once.

        Raises ReplayError where others change the same rows each time, or the replay is in another state by now.
        """
        with database(self.settings, self.catalog, contract, note.scope) as connection:
            for pair, step in in_order(contract, pairs(contract, note.scope, others), back=back):
                self.check_unchanged(note)
                try:
                    Swap(connection, self.catalog, pair, note.app_id, step).commit()
                except ConcurrentWriteError as error:
                    again = "rollback" if back else "swap"
                    raise ReplayError(
                        f"replay {note.id} of {note.table} is still {note.state.value}: {error}\n"
                        f"Finish it once that writer is done: {command(f'replay {again} {note.id}')}"
                    ) from error

    def noted(self, note: Note, update: Mapping[str, object]) -> Note:
        """``note`` with ``update``, kept. Raises ReplayError where it is not as it was kept."""
        self.check_unchanged(note)
        note = note.model_copy(update=update)
        self.notes.write(note)
        return note

    def check_unchanged(self, note: Note) -> None:
        """Raises ReplayError where somebody else has discarded the replay, or gone on with it, since it was read."""
        found = self.notes.get(note.id)
        if found.state is State.DISCARDED and note.state is not State.DISCARDED:
            # What was computed since.
            drop_sides(self.settings, self.catalog, note)
        if found.state is not note.state:
            raise ReplayError(
                f"replay {note.id} of {note.table} is {found.state.value} by now, and was {note.state.value} when this "
                f"was begun: somebody else is at it. Replays: {command('replay list')}"
            )

    def _computed(self, note: Note) -> dict[str, str]:
        """SQL for what was computed, by live table; at the version that the whole of it was in."""
        return {
            live: delta_scan_sql(self.catalog, side, note.side_versions.get(live)) for live, side in note.sides.items()
        }

    def _has_committed(self, note: Note) -> bool:
        return any(progress_of(self.catalog.open(live), note.app_id) is not None for live in note.sides)

    def _followers(self, contract: Contract) -> tuple[str, ...]:
        contracts = load_contracts(self.settings.contracts_dir)
        return tuple(other.table for other in contracts if other.source.table == contract.table)
