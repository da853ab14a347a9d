"""Waiting for conditions, never for time."""

import time
from collections.abc import Callable


def wait_for(
    condition: Callable[[], bool], what: str, seconds: float, detail: Callable[[], object] = lambda: ""
) -> None:
    """Returns when ``condition`` holds; after ``seconds`` fails, saying it waited for ``what``, with ``detail()``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}\n{detail()}")
        time.sleep(0.1)
