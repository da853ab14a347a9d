"""A job begins with its newest checkpoint that is complete."""

import os
from pathlib import Path

from lakehouse.flink.restore import newest_complete, prune


def _checkpoint(directory: Path, name: str, age_seconds: float, *, complete: bool = True) -> None:
    made = directory / name
    made.mkdir(parents=True)
    (made / "state").write_bytes(b"rows")
    if complete:
        (made / "_metadata").write_bytes(b"told")
        moment = 1_700_000_000 - age_seconds
        os.utime(made / "_metadata", (moment, moment))


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert newest_complete(str(tmp_path / "nowhere"), {}) is None
    _checkpoint(tmp_path, "job/chk-1", 10, complete=False)
    assert newest_complete(str(tmp_path), {}) is None


def test_the_newest_complete_one_counts_whatever_its_number_and_its_job(tmp_path: Path) -> None:
    _checkpoint(tmp_path, "a/chk-9", 30)
    _checkpoint(tmp_path, "b/chk-10", 20)
    _checkpoint(tmp_path, "b/chk-11", 0, complete=False)
    assert newest_complete(str(tmp_path), {}) == f"file://{tmp_path}/b/chk-10"


def test_a_savepoint_counts_as_one(tmp_path: Path) -> None:
    _checkpoint(tmp_path, "a/chk-9", 30)
    _checkpoint(tmp_path, "savepoints/savepoint-b-1", 5)
    assert newest_complete(str(tmp_path), {}) == f"file://{tmp_path}/savepoints/savepoint-b-1"


def test_what_earlier_jobs_left_goes_and_the_newest_savepoints_stay(tmp_path: Path) -> None:
    _checkpoint(tmp_path, "old/chk-9", 50)
    _checkpoint(tmp_path, "old/chk-10", 40, complete=False)
    (tmp_path / "old" / "shared").mkdir()
    (tmp_path / "old" / "shared" / "part").write_bytes(b"state")
    _checkpoint(tmp_path, "new/chk-12", 5)
    for number in range(5):
        _checkpoint(tmp_path, f"savepoints/savepoint-{number}", 30 - number)
    prune(str(tmp_path), {}, "new")
    assert not (tmp_path / "old").exists()
    assert (tmp_path / "new" / "chk-12" / "_metadata").is_file()
    assert sorted(path.name for path in (tmp_path / "savepoints").iterdir()) == [
        "savepoint-2",
        "savepoint-3",
        "savepoint-4",
    ]
    prune(str(tmp_path / "nowhere"), {}, "new")
