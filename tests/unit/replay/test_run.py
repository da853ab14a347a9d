"""A replay from beginning to end, over a computation by hand: when it swaps, and what a crash leaves to be done."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.contracts import visits_contract
from tests.unit.replay.conftest import COLUMNS, LOST, Lake, declare
from typer.testing import CliRunner

from lakehouse.cli.replay import replay_app
from lakehouse.contracts import Contract
from lakehouse.errors import LakehouseError
from lakehouse.observability.look import update
from lakehouse.observability.state import Measured
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.note import Note, Notes, State
from lakehouse.replay.request import Request
from lakehouse.replay.rollback import roll_back
from lakehouse.replay.run import Replays
from lakehouse.replay.sides import side_tables
from lakehouse.replay.swap import Swap
from lakehouse.storage import create_tables, log
from lakehouse.storage.commit import ConcurrentWriteError
from lakehouse_spark.replay import Recomputation

BEFORE = [(offset, 1) for offset in range(30)]
AFTER = [(offset, 1) for offset in range(30) if offset not in LOST]


def begun(lake: Lake, replay_id: str = "test0001") -> Note:
    sides = side_tables(lake.contract, replay_id)
    note = Note(id=replay_id, table="raw.visits", asked="offsets 0:10-20", scope=lake.scope, sides=sides)
    Notes(lake.catalog).write(note)
    return note


def sides(lake: Lake) -> list[str]:
    return [name for name in lake.catalog.names() if name.startswith("replay.")]


def test_what_differs_is_left_to_look_at(lake: Lake, replays: Replays) -> None:
    outcome = replays.go_on(begun(lake))
    assert (outcome.note.state, outcome.differing, outcome.share) == (State.DIFFERS, 2, 0.2)
    assert lake.rows() == BEFORE
    assert sides(lake) == ["replay.raw_visits_test0001", "replay.raw_visits_test0001_rejected"]


def test_it_is_swapped_in_when_told_to_and_leaves_nothing_behind(lake: Lake, replays: Replays) -> None:
    assert replays.go_on(begun(lake), swap=True).note.state is State.SWAPPED
    assert lake.rows() == AFTER
    assert sides(lake) == []


@pytest.mark.parametrize(
    ("tolerance", "swap", "state"),
    [(0.2, None, State.SWAPPED), (0.19, None, State.DIFFERS), (0.2, False, State.DIFFERS)],
)
def test_it_is_swapped_in_without_being_told_within_the_tolerance(
    lake: Lake, replays: Replays, tolerance: float, swap: bool | None, state: State
) -> None:
    declare(lake, replay_tolerance=tolerance)
    assert replays.go_on(begun(lake), swap=swap).note.state is state
    assert lake.rows() == (AFTER if state is State.SWAPPED else BEFORE)


def test_a_table_that_another_one_follows_is_not_swapped_without_being_told(lake: Lake, replays: Replays) -> None:
    declare(lake, replay_tolerance=0.5)
    follower = visits_contract(
        COLUMNS,
        table="streaming.pages",
        source={"table": "raw.visits", "columns": COLUMNS, "event_time": "at"},
        transform={"function": "pages:pages"},
        on_invalid="drop",
    )
    values = follower.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    (lake.settings.contracts_dir / "pages.yaml").write_text(yaml.safe_dump(values))
    outcome = replays.go_on(begun(lake))
    assert (outcome.note.state, outcome.followers) == (State.DIFFERS, ("streaming.pages",))


def test_what_flink_writes_is_swapped_once_its_job_has_stopped_with_a_savepoint(lake: Lake, replays: Replays) -> None:
    declare(lake, freshness="5 seconds", replay_tolerance=0.5)
    note = replays.go_on(begun(lake)).note
    assert note.state is State.DIFFERS, "within the tolerance, while the job runs"
    with pytest.raises(ReplayError, match=r"which has not stopped: .*jobs stop raw\.visits"):
        replays.go_on(note, swap=True)
    stopped = lake.settings.state_dir / "flink" / "stopped" / "raw.visits"
    stopped.parent.mkdir(parents=True)
    # As `lakehouse jobs stop` leaves it, with --now and without.
    stopped.write_text("")
    with pytest.raises(
        ReplayError, match=r"without a savepoint: .*jobs start raw\.visits, then .*jobs stop raw\.visits"
    ):
        replays.go_on(note, swap=True)
    stopped.write_text("file:///savepoint-1")
    assert replays.go_on(note, swap=True).note.state is State.SWAPPED


class KilledError(Exception):
    """As if the power had failed."""


def kill_at(patch: pytest.MonkeyPatch, owner: type, method: str, time: int, *, behind: bool) -> None:
    original: Callable[..., object] = getattr(owner, method)
    times = []

    def killed(*arguments: object) -> object:
        times.append(1)
        if len(times) == time and not behind:
            raise KilledError
        result = original(*arguments)
        if len(times) == time:
            raise KilledError
        return result

    patch.setattr(owner, method, killed)


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize(
    ("owner", "method", "time"),
    [
        (Replays, "_compute", 1),
        (Notes, "write", 1),
        (Notes, "write", 2),
        (Notes, "write", 3),
        (Swap, "commit", 1),
        (Swap, "commit", 2),
        (Swap, "commit", 3),
    ],
)
def test_after_a_crash_it_ends_as_it_would_have(
    lake: Lake, replays: Replays, owner: type, method: str, time: int, behind: bool
) -> None:
    note = begun(lake)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, owner, method, time, behind=behind)
        with pytest.raises(KilledError):
            replays.go_on(note, swap=True)
    lake.write({30: 1, 31: 1})
    assert replays.go_on(replays.notes.get(note.id), swap=True).note.state is State.SWAPPED
    assert lake.rows() == [*AFTER, (30, 1), (31, 1)]
    assert sides(lake) == []
    roll_back(replays, replays.notes.get(note.id))
    assert lake.rows() == [*BEFORE, (30, 1), (31, 1)]


def test_a_rollback_is_made_once_and_only_of_what_was_swapped(lake: Lake, replays: Replays) -> None:
    note = begun(lake)
    with pytest.raises(ReplayError, match="is computing, and not swapped in"):
        roll_back(replays, note)
    note = replays.go_on(note, swap=True).note
    version = lake.catalog.open("raw.visits").version()
    note = roll_back(replays, note)
    roll_back(replays, note)
    assert lake.rows() == BEFORE
    assert lake.catalog.open("raw.visits").version() == version + 1
    with pytest.raises(ReplayError, match="is rolled back: begin a new one"):
        replays.go_on(note)


def test_the_later_of_two_replays_of_the_same_rows_is_rolled_back_first(lake: Lake, replays: Replays) -> None:
    first = replays.go_on(begun(lake, "first001"), swap=True).note
    lake.write({LOST[0]: 9})
    second = replays.go_on(begun(lake, "second01"), swap=True).note
    with pytest.raises(ReplayError, match="replay second01 has replaced the same rows"):
        roll_back(replays, first)
    roll_back(replays, second)
    roll_back(replays, first)


def test_a_swap_that_the_log_has_forgotten_is_not_said_to_be_rolled_back(lake: Lake, replays: Replays) -> None:
    note = replays.go_on(begun(lake), swap=True).note
    version = lake.catalog.open("raw.visits").version()
    lake.catalog.open("raw.visits").create_checkpoint()
    Path(lake.catalog.uri("raw.visits"), log.entry_path(version)).unlink()
    with pytest.raises(ReplayError, match="no longer holds the swap, which was made behind version 3"):
        roll_back(replays, note)


def test_one_that_is_discarded_leaves_the_table_as_it_was(lake: Lake, replays: Replays) -> None:
    replays.discard(replays.go_on(begun(lake)).note)
    assert sides(lake) == []
    assert lake.rows() == BEFORE
    assert [note.state for note in replays.notes.all()] == [State.DISCARDED]


def test_a_discard_that_was_cut_short_leaves_nothing_to_swap_in(lake: Lake, replays: Replays) -> None:
    note = replays.go_on(begun(lake)).note
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, Notes, "write", 1, behind=True)
        with pytest.raises(KilledError):
            replays.discard(note)
    with pytest.raises(ReplayError, match="is discarded: begin a new one"):
        replays.go_on(replays.notes.get(note.id), swap=True)
    replays.discard(replays.notes.get(note.id))
    assert sides(lake) == []


def test_one_that_is_discarded_while_it_is_computed_ends_and_leaves_nothing(
    lake: Lake, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Replays._compute

    def discarded(replays: Replays, contract: Contract, note: Note) -> None:
        replays.discard(replays.notes.get(note.id))
        compute(replays, contract, note)

    monkeypatch.setattr(Replays, "_compute", discarded)
    with pytest.raises(ReplayError, match="is discarded by now, and was computing"):
        replays.go_on(begun(lake), swap=True)
    assert replays.notes.get("test0001").state is State.DISCARDED
    assert lake.rows() == BEFORE
    assert sides(lake) == []


def test_what_is_swapped_in_is_what_was_computed_whatever_becomes_of_the_side_table(
    lake: Lake, replays: Replays
) -> None:
    note = replays.go_on(begun(lake)).note
    side = lake.catalog.open(note.sides["raw.visits"])
    side.delete("kafka_offset < 15")
    replays.go_on(note, swap=True)
    assert lake.rows() == AFTER


def test_a_side_table_whose_log_has_lost_an_entry_is_not_swapped_in(lake: Lake, replays: Replays) -> None:
    note = replays.go_on(begun(lake)).note
    side = note.sides["raw.visits"]
    Path(lake.catalog.uri(side), log.entry_path(lake.catalog.open(side).version())).unlink()
    with pytest.raises(ReplayError, match="raw_visits_test0001"):
        replays.go_on(note, swap=True)
    assert lake.rows() == BEFORE


def test_it_goes_on_in_the_batches_that_it_began_with(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(lake)
    asked: list[int] = []
    monkeypatch.setattr(Recomputation, "events", lambda _self, _ranges, largest: asked.append(largest))
    monkeypatch.setattr(Replays, "_resolved", lambda *_: (lake.scope, {}))
    replays = Replays(lake.settings, object())  # type: ignore[arg-type]
    for largest in (1_000, 2_000):
        source = {"topic": "visits", "max_offsets_per_trigger": 500, "catch_up_offsets_per_trigger": largest}
        declare(lake, source=source)
        # There are no side tables.
        with pytest.raises(LakehouseError, match=r"replay\.raw_visits_test0001"):
            replays.run(Request("raw.visits"), "test0001")
    assert asked == [1_000, 1_000]


@pytest.mark.parametrize(
    ("asked", "options", "state"),
    [(True, [], State.SWAPPED), (False, [], State.DIFFERS), (True, ["--no-swap"], State.DIFFERS)],
)
def test_what_was_cut_short_is_resumed_as_it_was_asked_for(
    lake: Lake,
    replays: Replays,
    monkeypatch: pytest.MonkeyPatch,
    asked: bool,
    options: list[str],
    state: State,
) -> None:
    declare(lake, replay_tolerance=0.5)
    for name, value in lake.settings.as_environment().items():
        monkeypatch.setenv(name, value)
    replays.notes.write(begun(lake).model_copy(update={"swap": asked}))
    result = CliRunner().invoke(replay_app, ["resume", "test0001", *options])
    assert result.exit_code == (1 if state is State.DIFFERS else 0), result.output
    assert replays.notes.get("test0001").state is state


def test_a_computation_that_fails_is_told_with_how_to_go_on(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no space left")

    declare(lake)
    monkeypatch.setattr(Recomputation, "events", fail)
    with pytest.raises(ReplayError, match=r"RuntimeError: no space left\n.*Go on with it: .*replay resume test0001"):
        Replays(lake.settings, object()).go_on(begun(lake), swap=False)  # type: ignore[arg-type]


def stuck(lake: Lake, replays: Replays, replay_id: str, *, behind: int) -> Note:
    """A replay that was killed amid its swap, behind so many commits."""
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, Swap, "commit", behind + 1, behind=False)
        with pytest.raises(KilledError):
            replays.go_on(begun(lake, replay_id), swap=True)
    return replays.notes.get(replay_id)


def test_a_swap_that_is_stuck_before_its_first_commit_is_discarded(lake: Lake, replays: Replays) -> None:
    replays.discard(stuck(lake, replays, "stuck001", behind=0))
    assert sides(lake) == []
    assert lake.rows() == BEFORE


def test_a_swap_that_is_stuck_amid_its_commits_is_rolled_back_and_then_discarded(lake: Lake, replays: Replays) -> None:
    note = stuck(lake, replays, "stuck001", behind=2)
    assert lake.rows() == AFTER
    with pytest.raises(ReplayError, match=r"is swapping and has replaced rows.*replay rollback stuck001"):
        replays.discard(note)
    note = roll_back(replays, note)
    assert (note.state, lake.rows(), sides(lake)) == (State.ROLLED_BACK, BEFORE, [])
    replays.discard(note)


def test_a_stuck_swap_stands_in_the_way_of_no_later_one(lake: Lake, replays: Replays) -> None:
    first = stuck(lake, replays, "stuck001", behind=0)
    later = replays.go_on(begun(lake, "later001"), swap=True).note
    for blocked in (lambda: replays.go_on(first), lambda: roll_back(replays, first)):
        with pytest.raises(ReplayError, match="replay later001 has replaced the same rows"):
            blocked()
    roll_back(replays, later)
    assert lake.rows() == BEFORE
    assert replays.go_on(first).note.state is State.SWAPPED
    assert lake.rows() == AFTER


def test_a_writer_that_is_always_first_is_told_with_how_to_finish(
    lake: Lake, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    def conflict(_swap: Swap) -> bool:
        raise ConcurrentWriteError("raw.visits: another writer committed version 9")

    note = begun(lake)
    with monkeypatch.context() as patch:
        patch.setattr(Swap, "commit", conflict)
        with pytest.raises(ReplayError, match=r"still swapping: .* version 9[\s\S]*replay swap test0001"):
            replays.go_on(note, swap=True)
    assert replays.go_on(replays.notes.get(note.id)).note.state is State.SWAPPED
    with monkeypatch.context() as patch:
        patch.setattr(Swap, "commit", conflict)
        with pytest.raises(ReplayError, match=r"still rolling back: [\s\S]*replay rollback test0001"):
            roll_back(replays, replays.notes.get(note.id))
    with pytest.raises(ReplayError, match=r"is rolling back. Finish that first: .*replay rollback test0001"):
        replays.go_on(replays.notes.get(note.id))
    roll_back(replays, replays.notes.get(note.id))
    assert lake.rows() == BEFORE


@pytest.mark.parametrize("killed_at", [None, 1, 2, 3])
def test_an_event_that_moves_is_in_both_tables_for_a_moment_and_in_none_never(
    lake: Lake, replays: Replays, monkeypatch: pytest.MonkeyPatch, killed_at: int | None
) -> None:
    """Offset 12 is invalid to the replay, and 15, which quarantine holds, is valid."""
    lake.catalog.open("raw.visits").delete("kafka_offset = 15")
    lake.write({15: 1}, "raw.visits_rejected")

    def compute(replays: Replays, contract: Contract, note: Note) -> None:
        create_tables(replays.catalog, contract.model_copy(update={"table": note.sides[contract.table]}))
        lake.write({o: 1 for o in range(10, 20) if o != 12}, note.sides[contract.table])
        lake.write({12: 1}, note.sides[contract.rejected_table])

    monkeypatch.setattr(Replays, "_compute", compute)
    commit_files, commits = log.commit_files, []

    def commit(*arguments: object) -> int:
        version = commit_files(*arguments)  # type: ignore[arg-type]
        commits.append(version)
        assert offsets(lake, "raw.visits") | offsets(lake, "raw.visits_rejected") == set(range(30))
        if len(commits) == killed_at:
            raise KilledError
        return version

    monkeypatch.setattr(log, "commit_files", commit)
    note = begun(lake)
    if killed_at:
        with pytest.raises(KilledError):
            replays.go_on(note, swap=True)
    note = replays.go_on(replays.notes.get(note.id), swap=True).note
    assert len(commits) == 3
    assert (note.state, offsets(lake, "raw.visits_rejected")) == (State.SWAPPED, {12})
    assert offsets(lake, "raw.visits") == set(range(30)) - {12}
    commits.clear()
    if killed_at:
        with pytest.raises(KilledError):
            roll_back(replays, note)
    roll_back(replays, replays.notes.get(note.id))
    assert (len(commits), offsets(lake, "raw.visits_rejected")) == (3, {15})
    assert offsets(lake, "raw.visits") == set(range(30)) - {15}


def test_a_rollback_restores_quarantine_whatever_the_contract_says_by_now(
    lake: Lake, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.write({15: 1}, "raw.visits_rejected")
    note = replays.go_on(begun(lake), swap=True).note
    assert offsets(lake, "raw.visits_rejected") == set()
    declare(lake, on_invalid="drop")
    roll_back(replays, note)
    assert offsets(lake, "raw.visits_rejected") == {15}


def offsets(lake: Lake, name: str) -> set[int]:
    held = lake.catalog.open(name).to_pyarrow_table(columns=["kafka_offset"])
    return set(held["kafka_offset"].to_pylist())


def test_replayed_rows_are_no_late_events_and_no_duplicates(lake: Lake, replays: Replays) -> None:
    lake.catalog.open("raw.visits").delete("kafka_offset = 12")
    measured = update(lake.catalog, lake.contract, Measured("visits"))
    assert measured.duplicates == 0
    replays.go_on(begun(lake), swap=True)
    assert update(lake.catalog, lake.contract, measured).duplicates == 0


def test_an_unknown_replay_is_told_with_those_there_are(lake: Lake) -> None:
    assert Notes(lake.catalog).all() == []
    with pytest.raises(ReplayError, match=r"there is no replay 'other001'. Replays: none yet"):
        Notes(lake.catalog).get("other001")


def test_a_note_is_kept_as_it_was_written(lake: Lake) -> None:
    note = begun(lake)
    assert Notes(lake.catalog).get(note.id) == note
    assert Path(lake.catalog.root, "_replays", "test0001.json").is_file()
