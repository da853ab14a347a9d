"""Lets one batch through at a time, and none any more once the query is to end."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.2


class QueryEndingError(RuntimeError):
    """A batch came after the query was told to end. The next start repeats it."""


class Gate:
    """A batch is written within it. Whoever has closed it has the query stand still between two batches.

    A batch that comes then must not wait: Spark calls it through Py4J, where no interrupt reaches it, and whoever stops
    the query waits for the very thread that calls.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ending = threading.Event()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Holds the gate. Raises QueryEndingError when it has been closed, so that nothing of the batch is written."""
        while not self._lock.acquire(timeout=_LOOK_SECONDS):
            self._refuse_when_ending()
        try:
            self._refuse_when_ending()
            yield
        finally:
            self._lock.release()

    def close(self, seconds: float) -> bool:
        """Closes the gate for good. Whether no batch is being written: one that is has ``seconds`` to come through."""
        between_batches = self._lock.acquire(timeout=max(seconds, 0))
        self._ending.set()
        return between_batches

    def _refuse_when_ending(self) -> None:
        if self._ending.is_set():
            raise QueryEndingError("the query is to end: this batch is left to its next start")
