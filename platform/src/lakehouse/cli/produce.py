"""`lakehouse produce`: realistic order events into Kafka."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lakehouse.contracts.duration import parse_duration
from lakehouse.generator.config import DEFAULT_SPAN, TOPIC, GeneratorConfig, GeneratorError, new_seed
from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from lakehouse.generator.manifest import Manifest

#: The endless stream has some of everything, so that the quarantine and late tables show something.
_ENDLESS = {"late": 0.005, "duplicates": 0.01, "malformed": 0.005}
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def produce(
    events: Annotated[int | None, typer.Option(help="Messages to send; without it, until Ctrl-C.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            help="Messages a second, happening now. With --events alone: as fast as possible; "
            "with neither: LAKEHOUSE_GENERATOR_RATE."
        ),
    ] = None,
    late: Annotated[
        float | None, typer.Option(help="Fraction of events 11 minutes to 2 days old. Default: 0; 0.01 if endless.")
    ] = None,
    duplicates: Annotated[
        float | None, typer.Option(help="Fraction of messages that are sent again. Default: 0; 0.01 if endless.")
    ] = None,
    malformed: Annotated[
        float | None, typer.Option(help="Fraction that breaks the contract. Default: 0; 0.005 if endless.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Makes the orders reproducible. Default: another each time.")] = None,
    span: Annotated[
        str | None, typer.Option(help="How far back event times reach, without --rate. Default: 3 days.")
    ] = None,
    topic: Annotated[str, typer.Option(help="Kafka topic.")] = TOPIC,
    manifest: Annotated[
        Path | None, typer.Option(help="Where to write what was sent. Default: below .lakehouse/manifests.")
    ] = None,
    manifest_events: Annotated[
        bool, typer.Option("--manifest-events", help="Also write each message and its expected row (Parquet).")
    ] = False,
    ready_file: Annotated[
        Path | None, typer.Option(help="Where to write this process's number once an event is confirmed.", hidden=True)
    ] = None,
) -> None:
    """Send realistic order events to Kafka, and write a manifest of what was delivered.

    Orders are placed, paid, shipped and delivered, some are cancelled or refunded, in several currencies.

    \b
    Examples:
      lakehouse produce                            a steady stream until Ctrl-C
      lakehouse produce --rate 500                 the same, 500 events a second
      lakehouse produce --events 100000            at once, spread over the last 3 days
      lakehouse produce --events 100000 --span 6h --seed 7
      lakehouse produce --events 50000 --late 0.05 --duplicates 0.02 --malformed 0.01
    """
    from lakehouse.generator.manifest import default_path
    from lakehouse.generator.producer import produce as deliver

    settings = load_settings()
    fractions = {
        name: default if value is None and events is None else value or 0.0
        for (name, default), value in zip(_ENDLESS.items(), (late, duplicates, malformed), strict=True)
    }
    if events is None and rate is None:
        rate = settings.generator_rate
    if span is not None and rate is not None:
        raise GeneratorError(f"--span {span!r} goes with --events alone: at a rate, events happen when they are sent")
    try:
        spread = DEFAULT_SPAN if span is None else parse_duration(span)
    except ValueError as error:
        raise GeneratorError(f"--span {error}") from error
    config = GeneratorConfig(
        events=events,
        rate=rate,
        late=fractions["late"],
        duplicates=fractions["duplicates"],
        malformed=fractions["malformed"],
        seed=new_seed() if seed is None else seed,
        topic=topic,
        span=spread,
    )
    path = manifest or default_path(settings.state_dir / "manifests", config)
    console = Console()
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
    with _stopping() as stop, _progress(console, events) as show:

        def on_progress(delivered: int) -> None:
            if ready_file is not None and delivered and not ready_file.exists():
                ready_file.write_text(str(os.getpid()), encoding="utf-8")
            if show is not None:
                show(delivered)

        result = deliver(
            settings, config, manifest_path=path, with_events=manifest_events, stop=stop, on_progress=on_progress
        )
    _report(console, result, path)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set: the producer then flushes and writes its manifest."""
    stop = threading.Event()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    previous = {number: signal.signal(number, handle) for number in _STOP_SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def _progress(console: Console, total: int | None) -> Iterator[Callable[[int], None] | None]:
    """A callback that draws the number delivered on a terminal; None elsewhere, as in a log file."""
    if not console.is_terminal:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("events delivered"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total)
        yield lambda delivered: bar.update(task, completed=delivered)


def _report(console: Console, manifest: "Manifest", path: Path) -> None:
    counts = manifest.counts
    seconds = (manifest.finished_at - manifest.started_at).total_seconds()
    console.print(
        f"{counts.sent:,} messages delivered to {manifest.topic} in {seconds:.1f} s ({counts.sent / seconds:,.0f}/s): "
        f"{counts.valid:,} valid ({counts.duplicates:,} duplicates, {counts.late:,} late), "
        f"{counts.malformed:,} malformed. Seed {manifest.seed}.",
        highlight=False,
    )
    console.print(f"Manifest: {path}", highlight=False, soft_wrap=True)
