"""`lakehouse up`, `down` and `doctor`: the local stack."""

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.invocation import command
from lakehouse.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from lakehouse.local.stack import Stack

_LOOK_EVERY_SECONDS = 1.0


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when all is ready; it runs on.")] = False,
    no_generator: Annotated[bool, typer.Option("--no-generator", help="Without the stream of demo orders.")] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Demo orders a second. Default: LAKEHOUSE_GENERATOR_RATE, or 50.")
    ] = None,
    monitoring: Annotated[
        bool, typer.Option("--monitoring", help="With Prometheus and Alertmanager, where these are installed.")
    ] = False,
    only: Annotated[str | None, typer.Option(metavar="NAMES", help="Only these parts, separated by commas.")] = None,
) -> None:
    """Start the stack, and wait until every part is ready.

    Kafka, Postgres, Spark, Flink, Dagster and a generator of orders. What runs already is kept; what changed is started
    anew. An engine that no contract asks for stays out. With --monitoring, Prometheus scrapes all of them, and
    Alertmanager tells who is to be called; both run on until `lakehouse down`.
    Without --detach it stays here, shows what happens, and stops everything at Ctrl-C.

    \b
    Examples:
      lakehouse up                            all of it, until Ctrl-C
      lakehouse up --detach                   all of it, in the background
      lakehouse up --detach --rate 1000       more orders
      lakehouse up --only kafka,spark         parts of it
      lakehouse up --detach --monitoring      and Prometheus with its alerts
      LAKEHOUSE_DAGSTER_PORT=3001 lakehouse up
    """
    from rich.console import Console

    from lakehouse.cli.progress import run_steps
    from lakehouse.contracts import load_contracts
    from lakehouse.local.journal import Journal
    from lakehouse.local.programs import MONITORING, needed_names
    from lakehouse.local.stack import Stack

    settings = load_settings()
    console = Console()
    stack = Stack(settings)
    if only is None:
        names = needed_names(load_contracts(settings.contracts_dir), monitoring=monitoring)
    else:
        names = [*(name.strip() for name in only.split(",")), *(MONITORING if monitoring else ())]
    if no_generator:
        names = [name for name in names if name != "generator"]
    signal.signal(signal.SIGTERM, _interrupt)
    # A mistake or a failure stops nothing that ran before.
    ours = not stack.supervisor.is_running
    try:
        with stack.exclusively():
            seconds = run_steps(console, stack.up(names, settings.generator_rate if rate is None else rate))
            # An apply that was killed has nothing left to do: what is to run has been said anew.
            Journal(settings).close()
        ours = True
        console.print(f"\nReady after {seconds:.0f} s.", highlight=False)
        _print_next(console, settings, names, detach)
        if not detach:
            _watch(console, stack)
    except KeyboardInterrupt:
        console.print(
            "Interrupted." if detach else f"\nStopping. A second Ctrl-C leaves the rest to `{command('down')}`."
        )
        if detach:
            raise typer.Exit(130) from None
    finally:
        if ours and not detach:
            with stack.exclusively():
                run_steps(console, stack.down())


def down() -> None:
    """Stop the stack, and whatever an earlier crash of it left running. Tables and topics stay.

    \b
    Examples:
      lakehouse down
      lakehouse down && rm -r .lakehouse      and forget everything
    """
    from rich.console import Console

    from lakehouse.cli.progress import run_steps
    from lakehouse.local.journal import Journal
    from lakehouse.local.stack import Stack

    settings = load_settings()
    console = Console()
    stack = Stack(settings)
    with stack.exclusively():
        steps = stack.down()
        run_steps(console, steps)
        Journal(settings).close()
    if not steps:
        console.print(f"Nothing of {settings.state_dir} is running.", highlight=False)


def doctor() -> None:
    """Check this machine: Java, Maven, jars, disk, directories, ports, leftovers. Says what mends each problem.

    \b
    Examples:
      lakehouse doctor
    """
    from rich.console import Console
    from rich.markup import escape

    from lakehouse.local.checks import examine
    from lakehouse.local.supervisor import Supervisor

    settings = load_settings()
    console = Console()
    findings = list(examine(settings, Supervisor(settings)))
    for finding in findings:
        mark, style = ("[green]✓[/]", "dim") if finding.ok else ("[red]✗[/]", "red")
        first, *rest = finding.detail.splitlines() or [""]
        console.print(f"{mark} {finding.name:<16} [{style}]{escape(first)}[/]", highlight=False, soft_wrap=True)
        for line in rest:
            console.print(f"  {'':<16} [{style}]{escape(line)}[/]", highlight=False, soft_wrap=True)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _print_next(console: "Console", settings: Settings, names: list[str], detached: bool) -> None:
    """Where everything is, and what to try."""
    from lakehouse.local.flink import rest_url

    places = {
        "dagster-webserver": ("Dagster", settings.dagster_url),
        "spark": ("Spark UI", f"http://127.0.0.1:{settings.spark_ui_port}"),
        "flink-jobmanager": ("Flink UI", rest_url(settings)),
        "exporter": ("Metrics", f"http://127.0.0.1:{settings.exporter_port}/metrics"),
        "prometheus": ("Prometheus", f"http://127.0.0.1:{settings.prometheus_port}"),
        "alertmanager": ("Alerts", f"http://127.0.0.1:{settings.alertmanager_port}"),
        "kafka": ("Kafka", settings.kafka_bootstrap_servers),
        "postgres": ("Postgres", f"{settings.postgres_user}@127.0.0.1:{settings.postgres_port}"),
    }
    lines = [place for name, place in places.items() if name in names]
    for title, place in [*lines, ("Tables", settings.root), ("Logs", str(settings.logs_dir))]:
        console.print(f"  {title:<10} {place}", highlight=False, soft_wrap=True)
    console.print("\nTry next:")
    commands = [
        ("status", "what runs, and how fresh each table is"),
        ('query "SELECT status, count(*) FROM raw.orders GROUP BY 1"', ""),
        ("produce --events 100000", "a burst of orders"),
        ("logs spark -f", ""),
    ]
    if detached:
        commands.append(("down", "stop everything"))
    for arguments, purpose in commands:
        console.print(f"  {command(arguments):<44} [dim]{purpose}[/]", highlight=False, soft_wrap=True)
    if not detached:
        console.print("\nCtrl-C stops everything.")


def _watch(console: "Console", stack: "Stack") -> None:
    """Shows each change of a program's state, until interrupted or until the supervisor has gone."""
    known = {name: state.state for name, state in stack.supervisor.states().items()}
    while True:
        time.sleep(_LOOK_EVERY_SECONDS)
        states = stack.supervisor.states()
        if not states:
            console.print("The supervisor has ended.")
            return
        for name, state in states.items():
            if state.state != known.get(name):
                console.print(f"{name}: {known.get(name)} → {state.state} [dim]({state.detail})[/]", highlight=False)
            known[name] = state.state


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """`docker stop` and service managers send SIGTERM: it ends as Ctrl-C does."""
    raise KeyboardInterrupt
