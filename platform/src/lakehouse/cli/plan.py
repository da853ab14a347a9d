"""`lakehouse plan` and `lakehouse apply`: what a change of contracts asks for, and doing it."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from lakehouse.plan import Plan

_CHANGES = 2


class RefusedError(LakehouseError):
    """The plan holds what cannot be applied."""


class ChangedMeanwhileError(LakehouseError):
    """The contracts are not those that the plan was made of."""


class UnconfirmedError(LakehouseError):
    """Nobody said yes."""


def plan(
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    detailed: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 2 where there is something to do.")
    ] = False,
) -> None:
    """Show what has to be done so that what runs, and the tables there are, become as the contracts want them.

    Tables to create and alter, writers to start, restart, move to another engine or end, what is computed anew; and
    what is refused, with the ways on. Nothing is changed. Exit code: 0, or 1 where something is refused.

    \b
    Examples:
      lakehouse plan
      lakehouse plan --json | jq '.steps[] | select(.step == "move")'
      lakehouse plan && lakehouse apply
    """
    from lakehouse.local.planning import plan_stack

    planned = plan_stack(load_settings())
    show(planned, as_json=as_json)
    if planned.refused:
        raise typer.Exit(1)
    if planned.changes:
        if not as_json:
            typer.echo(f"Nothing has been changed. Do it: {command('apply')}")
        if detailed:
            raise typer.Exit(_CHANGES)


def apply(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Do what `lakehouse plan` shows, while the stack runs or before it does.

    It asks before it ends a writer or has rows computed anew. What is not concerned runs on. Killed at any point it can
    be run again, and goes on. While nothing runs, tables and checkpoints are prepared and nothing is started.

    \b
    Examples:
      lakehouse apply
      lakehouse apply --yes
    """
    from rich.console import Console

    from lakehouse.cli.progress import run_steps
    from lakehouse.local.applied import digest
    from lakehouse.local.apply import apply_steps
    from lakehouse.local.journal import Journal
    from lakehouse.local.planning import plan_stack
    from lakehouse.local.stack import Stack

    settings = load_settings()
    stack = Stack(settings)
    with stack.exclusively():
        planned_for = digest(settings.contracts_dir)
        planned = plan_stack(settings)
        show(planned)
        if planned.refused:
            raise RefusedError(f"Nothing was applied: {len(planned.refused)} refused, see above.")
        if planned.destructive and not yes:
            _confirm(planned)
        if digest(settings.contracts_dir) != planned_for:
            raise ChangedMeanwhileError(
                f"Nothing was applied: contracts changed after this was planned. Run it again: {command('apply')}"
            )
        seconds = run_steps(Console(), apply_steps(settings, stack, planned))
        Journal(settings).close()
    if planned.changes:
        typer.echo(f"Applied after {seconds:.0f} s.")


def show(planned: "Plan", *, as_json: bool = False) -> None:
    """Prints the plan, as a person reads it or as a script does."""
    from lakehouse.plan.text import as_json as as_values
    from lakehouse.plan.text import lines

    typer.echo(json.dumps(as_values(planned), indent=2) if as_json else "\n".join(lines(planned)))


def _confirm(planned: "Plan") -> None:
    tables = ", ".join(dict.fromkeys(step.table for step in planned.destructive))
    if not sys.stdin.isatty():
        raise UnconfirmedError(f"{tables}: a writer ends or rows are replaced, and nobody is here to ask. {_how()}")
    if not typer.confirm(f"{tables}: a writer ends or rows are replaced. Go on?"):
        raise UnconfirmedError("Nothing was applied.")


def _how() -> str:
    return f"If that is meant: {command('apply --yes')}"
