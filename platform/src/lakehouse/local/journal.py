"""What an apply is to have running at its end, noted before it stops anything: one that was killed is finished so."""

import json
import os
from collections.abc import Collection

from lakehouse.settings import Settings


class Journal:
    """Of the stack of ``settings``. Whatever else an apply does, what there is tells whether it was done."""

    def __init__(self, settings: Settings) -> None:
        self._file = settings.run_dir / "apply.json"

    def programs(self) -> frozenset[str]:
        """The programs that an interrupted apply was to have running; empty when none was interrupted."""
        return frozenset(json.loads(self._file.read_text(encoding="utf-8"))) if self._file.is_file() else frozenset()

    def open(self, programs: Collection[str]) -> None:
        """Notes ``programs``, in one step, so that a crash leaves the note whole or not at all."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps(sorted(programs)), encoding="utf-8")
        os.replace(partial, self._file)

    def close(self) -> None:
        """Nothing is left to be done."""
        self._file.unlink(missing_ok=True)
