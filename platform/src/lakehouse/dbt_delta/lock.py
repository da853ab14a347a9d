"""One run a model: refuses a second process early, before it computes anything.

This is a courtesy on one machine. What keeps the table right on any number of machines is the Delta commit, which
carries the application ids of both runs and so lets only the first one through.
"""

import fcntl
import os
from pathlib import Path

from lakehouse.dbt_delta.errors import ModelBusyError


class ModelLocks:
    """The models that this process is building. The operating system drops the locks of a process that dies."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: dict[str, int] = {}

    def acquire(self, model: str) -> None:
        """Takes the lock of ``model``; again is fine. Raises ModelBusyError when another process holds it."""
        if model in self._held:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        file = self._directory / f"{model}.lock"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 64).decode() or "unknown"
            os.close(descriptor)
            raise ModelBusyError(
                f"{model} is being built by another run (process {holder}, {file}). Nothing was written: "
                "wait for that run to end, then run again."
            ) from error
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._held[model] = descriptor

    def release(self, model: str) -> None:
        """Gives the lock back, if it is held."""
        descriptor = self._held.pop(model, None)
        if descriptor is not None:
            os.close(descriptor)

    def release_all(self) -> None:
        """Gives back the locks that failed models left behind."""
        for model in list(self._held):
            self.release(model)
