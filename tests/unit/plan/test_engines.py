"""A table that moves to another engine leaves no checkpoint behind that would be taken up again."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from tests.contracts import visits_contract

from lakehouse.flink.control import stopped_at
from lakehouse.flink.generation import read_generation
from lakehouse.flink.rest import FlinkUnreachableError, JobManager
from lakehouse.plan.engines import MoveError, change_engines, refuse_to_leave
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables

COLUMNS = [{"name": "at", "type": "timestamp", "required": True}]
SPARK, FLINK = visits_contract(COLUMNS), visits_contract(COLUMNS, freshness="5 seconds")


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def change(settings: Settings, contract: object) -> list[str]:
    nobody = JobManager(f"http://127.0.0.1:{settings.flink_rest_port}")
    return change_engines(settings, nobody, [contract])  # type: ignore[list-item]


def test_where_nothing_was_nothing_is_left(settings: Settings) -> None:
    assert change(settings, SPARK) == []
    assert change(settings, FLINK) == []


def test_flink_sets_sparks_checkpoint_aside_each_time(settings: Settings) -> None:
    root = Path(settings.checkpoint_root)
    for number in (1, 2):
        (root / "raw.visits" / "offsets").mkdir(parents=True)
        assert change(settings, FLINK) == ["raw.visits"]
        assert not (root / "raw.visits").exists()
        assert (root / f"raw.visits.left-{number}" / "offsets").is_dir()
    assert change(settings, FLINK) == []


def test_that_of_each_generation(settings: Settings) -> None:
    root = Path(settings.checkpoint_root)
    for name in ("raw.visits", "raw.visits.g2", "raw.visits.g12", "raw.visits_other", "raw.visits.left-1"):
        (root / name).mkdir(parents=True)
    assert change(settings, FLINK) == ["raw.visits"]
    assert sorted(path.name for path in root.iterdir()) == [
        "raw.visits.g12.left-1",
        "raw.visits.g2.left-1",
        "raw.visits.left-1",
        "raw.visits.left-2",
        "raw.visits_other",
    ]


def test_a_jobmanager_that_does_not_answer_is_not_taken_for_none(settings: Settings) -> None:
    """It may have the very job that is to end before another engine begins."""
    with socket.create_server(("127.0.0.1", settings.flink_rest_port)) as server:
        threading.Thread(target=_unavailable, args=(server,), daemon=True).start()
        with pytest.raises(FlinkUnreachableError, match="does not serve yet"):
            change(settings, SPARK)


def _unavailable(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


class TestWithoutASavepoint:
    """Flink commits a table and its quarantine each for itself."""

    @pytest.fixture(autouse=True)
    def _checkpoint(self, settings: Settings) -> None:
        checkpoint = Path(settings.checkpoint_root) / "flink" / "raw.visits" / "job" / "chk-1"
        checkpoint.mkdir(parents=True)
        (checkpoint / "_metadata").write_bytes(b"told")

    def hold(self, settings: Settings, *offsets: int) -> None:
        catalog = Catalog.from_settings(settings)
        create_tables(catalog, SPARK)
        schema = pa.schema(catalog.open("raw.visits").schema().to_arrow())
        rows = [{"at": 0, "kafka_topic": "visits", "kafka_partition": 0, "kafka_offset": offset} for offset in offsets]
        write_deltalake(catalog.uri("raw.visits"), pa.Table.from_pylist(rows, schema), mode="append")

    def test_a_table_without_gaps_moves(self, settings: Settings) -> None:
        self.hold(settings, 0, 1, 2)
        assert change(settings, SPARK) == ["raw.visits"]

    def test_events_that_are_in_neither_stay_with_the_job_that_has_them(self, settings: Settings) -> None:
        self.hold(settings, 0, 1, 4)
        with pytest.raises(MoveError, match=r"2 events are neither in the table nor in raw.visits_rejected"):
            change(settings, SPARK)
        assert read_generation(settings, "raw.visits").number == 1

    def test_a_savepoint_has_them_all_committed(self, settings: Settings) -> None:
        self.hold(settings, 0, 1, 4)
        savepoint = Path(settings.checkpoint_root) / "flink" / "raw.visits" / "savepoints" / "savepoint-1"
        savepoint.mkdir(parents=True)
        (savepoint / "_metadata").write_bytes(b"told")
        assert change(settings, SPARK) == ["raw.visits"]


def test_a_job_that_was_stopped_by_hand_runs_when_the_table_comes_back(settings: Settings) -> None:
    checkpoint = Path(settings.checkpoint_root) / "flink" / "raw.visits" / "savepoints" / "savepoint-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "_metadata").write_bytes(b"told")
    marker = settings.state_dir / "flink" / "stopped" / "raw.visits"
    marker.parent.mkdir(parents=True)
    marker.touch()
    assert stopped_at(settings, "raw.visits") is not None
    change(settings, SPARK)
    assert stopped_at(settings, "raw.visits") is None


@pytest.mark.parametrize("killed_at", ["start", "begin_generation"])
def test_leaving_flink_goes_on_wherever_it_was_killed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    checkpoint = Path(settings.checkpoint_root) / "flink" / "raw.visits" / "savepoints" / "savepoint-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "_metadata").write_bytes(b"told")
    marker = settings.state_dir / "flink" / "stopped" / "raw.visits"
    marker.parent.mkdir(parents=True)
    marker.touch()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"lakehouse.plan.engines.{killed_at}", killed)
        with pytest.raises(KeyboardInterrupt):
            change(settings, SPARK)
    change(settings, SPARK)
    assert stopped_at(settings, "raw.visits") is None
    assert read_generation(settings, "raw.visits").number == 2


def test_a_checkpoint_on_an_object_store_is_left_to_whoever_can_move_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = settings.model_copy(update={"checkpoint_root": "s3a://bucket/checkpoints"})
    monkeypatch.setattr("lakehouse.plan.engines.holds_files", lambda *_: True)
    with pytest.raises(MoveError, match=r"s3a://bucket/checkpoints/raw\.visits would have its rows"):
        refuse_to_leave(remote, FLINK)


def test_spark_has_flink_begin_a_generation_should_the_table_come_back(settings: Settings) -> None:
    checkpoint = Path(settings.checkpoint_root) / "flink" / "raw.visits" / "job" / "chk-1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "_metadata").write_bytes(b"told")
    assert change(settings, SPARK) == ["raw.visits"]
    assert read_generation(settings, "raw.visits").number == 2
    assert change(settings, SPARK) == []
    assert change(settings, FLINK) == []
