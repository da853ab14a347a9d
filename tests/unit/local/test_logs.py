"""Reading logs while they grow and rotate."""

from pathlib import Path

from lakehouse.local.logs import follow, last_lines


def test_last_lines_of_a_missing_log_are_none(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none.log", 5) == []


def test_last_lines_survive_what_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"one\ntwo\n\xff\n")
    assert last_lines(file, 2) == ["two", "\ufffd"]


def test_follow_yields_the_end_what_is_appended_and_the_rotated_file(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_text("one\ntwo\nthr")
    lines = follow(file, 2)
    assert next(lines) == "two"
    with file.open("a") as stream:
        stream.write("ee\nfour\n")
    assert [next(lines), next(lines)] == ["three", "four"]
    file.rename(tmp_path / "a.log.1")
    file.write_text("five\n")
    assert next(lines) == "five"
