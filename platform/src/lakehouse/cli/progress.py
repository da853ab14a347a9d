"""Shows steps as they run: a spinner with the seconds on a terminal, a line each in a log."""

import threading
import time
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from lakehouse.local.stack import Step

_TITLE_WIDTH = 23
_REDRAW_SECONDS = 0.5


def run_steps(console: Console, steps: Iterable[Step]) -> float:
    """Runs ``steps`` in order, each with its time, and returns the seconds of all. Errors pass through."""
    beginning = time.monotonic()
    for step in steps:
        began = time.monotonic()
        try:
            outcome = _run_with_clock(console, step)
        except BaseException:
            console.print(_line("[red]✗[/]", step, began, "failed"), highlight=False)
            raise
        console.print(_line("[green]✓[/]", step, began, outcome), highlight=False, soft_wrap=True)
    return time.monotonic() - beginning


def _run_with_clock(console: Console, step: Step) -> str:
    if not console.is_terminal:
        return step.run()
    began, done = time.monotonic(), threading.Event()
    with console.status(f"{step.title} …") as spinner:

        def tick() -> None:
            while not done.wait(_REDRAW_SECONDS):
                spinner.update(f"{step.title} … {time.monotonic() - began:.0f} s")

        clock = threading.Thread(target=tick, daemon=True)
        clock.start()
        try:
            return step.run()
        finally:
            done.set()
            clock.join()


def _line(mark: str, step: Step, began: float, outcome: str) -> str:
    seconds = time.monotonic() - began
    return f"{mark} {step.title:<{_TITLE_WIDTH}} {seconds:6.1f} s  [dim]{escape(outcome)}[/]"
