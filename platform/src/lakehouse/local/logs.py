"""The programs' logs, which supervisord writes and rotates: reading them while they grow."""

import os
from collections import deque
from pathlib import Path
from typing import TextIO


def last_lines(file: Path, count: int | None) -> list[str]:
    """The last ``count`` lines of ``file``, or all; none when there is no such file."""
    if not file.exists():
        return []
    with _open(file) as stream:
        return [line.rstrip("\n") for line in deque(stream, maxlen=count)]


class Tail:
    """The lines of ``file`` as they come, after its last ``count`` ones, or after all. The file may come later."""

    def __init__(self, file: Path, count: int | None) -> None:
        self._file, self._count = file, count
        self._stream: TextIO | None = None
        self._unfinished = ""

    def read(self) -> list[str]:
        """What was added since the last call, whole lines only. Goes on with the new file after a rotation."""
        found: list[str] = []
        if self._stream is None and self._file.exists():
            self._stream = _open(self._file)
            found += self._whole(deque(self._stream, maxlen=self._count))
        if self._stream is not None:
            found += self._whole(self._stream)
            if _was_rotated(self._file, self._stream):
                self._stream.close()
                self._stream = _open(self._file)
                found += self._whole(self._stream)
        return found

    def _whole(self, lines: "deque[str] | TextIO") -> list[str]:
        found = []
        for line in lines:
            self._unfinished += line
            if self._unfinished.endswith("\n"):
                found.append(self._unfinished.rstrip("\n"))
                self._unfinished = ""
        return found


def _open(file: Path) -> TextIO:
    return file.open(encoding="utf-8", errors="replace")


def _was_rotated(file: Path, stream: TextIO) -> bool:
    try:
        found = file.stat()
    except FileNotFoundError:
        return False  # Between the two renames of a rotation.
    return found.st_ino != os.fstat(stream.fileno()).st_ino or found.st_size < stream.tell()
