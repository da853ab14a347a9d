"""Reads the programs' logs, which supervisord writes and rotates."""

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

_PAUSE_SECONDS = 0.3


def last_lines(file: Path, count: int) -> list[str]:
    """The last ``count`` lines of ``file``; none when there is no such file."""
    if not file.exists():
        return []
    with _open(file) as stream:
        return [line.rstrip("\n") for line in deque(stream, maxlen=count)]


def follow(file: Path, count: int) -> Iterator[str]:
    """Yields the last ``count`` lines, then those appended, for ever. Goes on with the new file after a rotation."""
    while not file.exists():
        time.sleep(_PAUSE_SECONDS)
    stream = _open(file)
    lines = deque(stream, maxlen=count)
    unfinished = ""
    while True:
        for line in lines:
            unfinished += line
            if unfinished.endswith("\n"):
                yield unfinished.rstrip("\n")
                unfinished = ""
        lines = deque(stream)
        if lines:
            continue
        if _was_rotated(file, stream):
            stream.close()
            stream = _open(file)
        else:
            time.sleep(_PAUSE_SECONDS)


def _open(file: Path) -> TextIO:
    return file.open(encoding="utf-8", errors="replace")


def _was_rotated(file: Path, stream: TextIO) -> bool:
    try:
        found = file.stat()
    except FileNotFoundError:
        return False  # Between the two renames of a rotation.
    return found.st_ino != os.fstat(stream.fileno()).st_ino or found.st_size < stream.tell()
