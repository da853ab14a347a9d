"""`lakehouse replay`: a table computed again beside the live one, compared with it, swapped in and taken back."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from lakehouse.invocation import command
from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from lakehouse.replay.compare import Comparison
    from lakehouse.replay.run import Outcome

#: Days or windows that are shown of each table; those that differ come first.
_SHOWN = 40


class _TableFirst(TyperGroup):
    """`replay TABLE …` is `replay run TABLE …`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["run", *args])


replay_app = typer.Typer(
    cls=_TableFirst,
    help="Replay events through the same job code: `lakehouse replay TABLE …`; then list, resume, swap, rollback …",
    no_args_is_help=True,
    # Options may come before the table.
    context_settings={"ignore_unknown_options": True},
)
ReplayId = Annotated[str, typer.Argument(metavar="ID", help="as `lakehouse replay list` tells it")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


@replay_app.command()
def run(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="schema.table, as a contract declares it")],
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Inclusive; ISO 8601, UTC.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Exclusive; absent: all so far.")] = None,
    offsets: Annotated[
        str | None, typer.Option(metavar="P:FROM-TO,…", help="By offsets of partitions, TO exclusive.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="All that the topic still holds.")] = False,
    quarantined: Annotated[
        bool, typer.Option("--quarantined", help="Only rejected events, from the bytes that quarantine has.")
    ] = False,
    swap: Annotated[
        bool | None,
        typer.Option("--swap/--no-swap", help="Absent: where no more differs than `replay_tolerance` allows."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compute a range of events again, compare the rows with the live ones, and swap them in if told to.

    The live table is touched by the swap alone, in one commit, beside which its writer goes on. TIME is when the broker
    took an event; of a computed table that of the windows, which are taken whole. Without a swap the rows stay in the
    schema `replay` to be looked at, and the exit code is 1 where any differs.

    \b
    Examples:
      lakehouse replay raw.orders --from 2026-11-20T10:00 --to 2026-11-20T12:00
      lakehouse replay raw.orders --offsets 0:1000-2000 --swap
      lakehouse replay raw.orders --quarantined --swap
      lakehouse replay streaming.order_metrics --whole
    """
    from lakehouse.replay.request import parse_request
    from lakehouse.replay.run import Replays, new_id

    request = parse_request(table, since, until, offsets, whole=whole, quarantined=quarantined)
    _finish(Replays(load_settings()).run(request, new_id(), swap=swap), as_json=as_json)


@replay_app.command("list")
def list_replays(as_json: AsJson = False) -> None:
    """List the replays: what was asked for, how many rows differed, and what became of it.

    \b
    Examples:
      lakehouse replay list
      lakehouse replay list --json | jq '.[] | select(.state == "differs")'
    """
    from rich.console import Console
    from rich.table import Table

    from lakehouse.replay.run import Replays

    notes = Replays(load_settings()).notes.all()
    if as_json:
        typer.echo(json.dumps([note.model_dump(mode="json") for note in notes], indent=2))
        return
    if not notes:
        typer.echo(f"No table was replayed yet. See {command('replay --help')}")
        return
    shown = Table("id", "table", "range", "differ", "state", "begun (UTC)", box=None, pad_edge=False)
    for note in notes:
        differing = "" if note.differing is None else f"{note.differing:,}"
        begun = f"{note.begun_at:%Y-%m-%d %H:%M}"
        shown.add_row(note.id, note.table, note.asked, differing, note.state.value, begun)
    Console().print(shown)


@replay_app.command()
def resume(
    replay_id: ReplayId,
    swap: Annotated[
        bool | None, typer.Option("--swap/--no-swap", help="Absent: as it was asked for when the replay was begun.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a replay that was cut short, and end it as `lakehouse replay TABLE` would have.

    What is computed already is kept, and a swap that has begun is finished in any case.

    \b
    Examples:
      lakehouse replay resume 3f9a1c20
      lakehouse replay resume 3f9a1c20 --no-swap
    """
    from lakehouse.replay.run import Replays

    replays = Replays(load_settings())
    note = replays.notes.get(replay_id)
    _finish(replays.go_on(note, swap=note.swap if swap is None else swap), as_json=as_json)


@replay_app.command()
def swap(replay_id: ReplayId, as_json: AsJson = False) -> None:
    """Swap in a replay that was only compared, or finish a swap that was cut short.

    \b
    Examples:
      lakehouse replay swap 3f9a1c20
    """
    from lakehouse.replay.run import Replays

    replays = Replays(load_settings())
    _finish(replays.go_on(replays.notes.get(replay_id), swap=True), as_json=as_json)


@replay_app.command()
def rollback(replay_id: ReplayId) -> None:
    """Put back the rows that a swap, whole or cut short, replaced. What was written to the table since stays.

    \b
    Examples:
      lakehouse replay rollback 3f9a1c20
    """
    from lakehouse.replay.rollback import roll_back
    from lakehouse.replay.run import Replays

    replays = Replays(load_settings())
    note = roll_back(replays, replays.notes.get(replay_id))
    typer.echo(f"{note.table} has the rows from before replay {note.id} again: {note.scope}.")


@replay_app.command()
def discard(replay_id: ReplayId) -> None:
    """Delete the computed rows of a replay that is not to be swapped in.

    \b
    Examples:
      lakehouse replay discard 3f9a1c20
    """
    from lakehouse.replay.run import Replays

    replays = Replays(load_settings())
    replays.discard(replays.notes.get(replay_id))
    typer.echo(f"The rows of replay {replay_id} are deleted. The live table is as it was.")


def _finish(outcome: "Outcome", *, as_json: bool) -> None:
    """Tells the outcome; the exit code is 1 where rows differ and were not swapped in."""
    from lakehouse.replay.note import State

    if as_json:
        typer.echo(json.dumps(_told(outcome), indent=2))
    else:
        _show(outcome)
    if outcome.note.state is State.DIFFERS:
        raise typer.Exit(1)


def _told(outcome: "Outcome") -> dict[str, Any]:
    buckets = {comparison.table: [vars(b) for b in comparison.buckets] for comparison in outcome.comparisons}
    return {**outcome.note.model_dump(mode="json"), "share": outcome.share, "comparisons": buckets}


def _show(outcome: "Outcome") -> None:
    from rich.console import Console

    from lakehouse.replay.note import State

    note, console = outcome.note, Console()
    console.print(f"Replay {note.id} of {note.table}: {note.scope}", highlight=False, markup=False)
    for comparison in outcome.comparisons:
        _show_comparison(console, comparison)
    match note.state:
        case State.EQUAL:
            typer.echo("The replay equals the live rows: there is nothing to swap.")
        case State.DIFFERS:
            sides = ", ".join(note.sides.values())
            typer.echo(f"{outcome.differing:,} rows differ ({outcome.share:.2%}); the live table is as it was.")
            typer.echo(f"Look at them in {sides}; swap them in: {command(f'replay swap {note.id}')}")
            typer.echo(f"Or delete them: {command(f'replay discard {note.id}')}")
        case State.SWAPPED:
            typer.secho("The replayed rows are swapped in.", fg=typer.colors.GREEN)
            typer.echo(f"Take that back: {command(f'replay rollback {note.id}')}")
    for follower in outcome.followers if outcome.differing else ():
        typer.secho(
            f"{follower} follows what is added to {note.table}, and stops at rows that were changed or deleted: raise "
            "its `transform.generation` behind the swap.",
            fg=typer.colors.YELLOW,
        )


def _show_comparison(console: Any, comparison: "Comparison") -> None:
    from rich.table import Table

    if not comparison.buckets:
        typer.echo(f"{comparison.table}: no row of the range, live or replayed")
        return
    shown = Table(comparison.table, box=None, pad_edge=False)
    for figure in ("live", "replayed", "only live", "only replayed", "changed"):
        shown.add_column(figure, justify="right")
    shown.add_column("checksums")
    buckets = comparison.first(_SHOWN)
    for bucket in buckets:
        figures = (
            bucket.live_rows,
            bucket.replayed_rows,
            bucket.only_live,
            bucket.only_replayed,
            bucket.changed,
        )
        equal = "equal" if bucket.live_checksum == bucket.replayed_checksum else "differ"
        style = "yellow" if bucket.differing else ""
        shown.add_row(bucket.bucket, *(f"{figure:,}" for figure in figures), equal, style=style)
    console.print(shown)
    if len(comparison.buckets) > len(buckets):
        left = len(comparison.buckets) - len(buckets)
        typer.echo(f"… and {left} more; {sum(b.differing > 0 for b in comparison.buckets)} of all differ. See --json")
