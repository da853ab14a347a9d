"""Reading logs while they grow and rotate."""

from pathlib import Path

from lakehouse.local.logs import Tail, last_lines


def test_last_lines_of_a_missing_log_are_none(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none.log", 5) == []


def test_last_lines_survive_what_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"one\ntwo\n\xff\n")
    assert last_lines(file, 2) == ["two", "\ufffd"]


def test_a_tail_is_the_end_what_is_appended_and_the_rotated_file(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("one\ntwo\nthr")
    tail = Tail(file, 2)
    assert tail.read() == ["two"]
    assert tail.read() == []
    with file.open("a") as stream:
        stream.write("ee\nfour\n")
    assert tail.read() == ["three", "four"]
    file.rename(tmp_path / "a.log.1")
    file.write_text("five\n")
    assert tail.read() == ["five"]


def test_a_tail_waits_for_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "a.log", None)
    assert tail.read() == []
    (tmp_path / "a.log").write_text("one\n")
    assert tail.read() == ["one"]
