"""`lakehouse jobs`: the Flink jobs, one for each contract that Flink serves."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from lakehouse.invocation import command
from lakehouse.settings import load_settings

jobs_app = typer.Typer(help="Flink jobs: list, stop with a savepoint, start, restart, savepoint.", no_args_is_help=True)
Table = Annotated[str, typer.Argument(metavar="TABLE", help="schema.table, whose contract Flink serves")]


@jobs_app.command("list")
def list_jobs(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """List the jobs: state, last complete checkpoint, restarts, and what last went wrong.

    \b
    Examples:
      lakehouse jobs list
      lakehouse jobs list --json | jq '.[] | {table, state, checkpoint}'
    """
    from rich.console import Console

    from lakehouse.cli.overview import jobs_overview
    from lakehouse.local.flink_jobs import flink_jobs

    jobs = flink_jobs(load_settings())
    if as_json:
        typer.echo(json.dumps([asdict(job) for job in jobs], indent=2, default=str))
    elif jobs:
        Console().print(jobs_overview(jobs), highlight=False, crop=False)
    else:
        typer.echo("No contract asks for Flink.")


@jobs_app.command()
def stop(
    table: Table,
    now: Annotated[bool, typer.Option("--now", help="Without a savepoint; go on with the newest checkpoint.")] = False,
) -> None:
    """Stop a job with a savepoint. It stays stopped, over restarts of the stack too, until it is started again.

    \b
    Examples:
      lakehouse jobs stop streaming.order_metrics_5min
      lakehouse jobs stop streaming.order_metrics_5min --now
    """
    from lakehouse.local.job_control import stop_flink_job

    savepoint = stop_flink_job(load_settings(), table, now=now)
    typer.echo(f"{table} is stopped{f' with {savepoint}' if savepoint else ''}.")
    typer.echo(f"Start it again: {command(f'jobs start {table}')}")


@jobs_app.command()
def start(
    table: Table,
    anew: Annotated[
        bool, typer.Option("--anew", help="Without its state: behind the rows that the table holds.")
    ] = False,
) -> None:
    """Start a job that was stopped, from its newest complete checkpoint or savepoint, and wait until it runs.

    With --anew it begins without state, as it has to where its state was made for something else or is lost. The table
    of a transform has to be moved away for that: nothing tells which events its rows were made of.

    \b
    Examples:
      lakehouse jobs start streaming.order_metrics_5min
      lakehouse jobs stop raw.orders --now && lakehouse jobs start raw.orders --anew
    """
    from lakehouse.local.job_control import start_flink_job

    job = start_flink_job(load_settings(), table, anew=anew)
    typer.echo(f"{table} is running, job {job.job_id}.")


@jobs_app.command()
def restart(table: Table) -> None:
    """Stop a job with a savepoint, and start it again from there.

    \b
    Examples:
      lakehouse jobs restart streaming.order_metrics_5min
    """
    stop(table, now=False)
    start(table, anew=False)


@jobs_app.command()
def savepoint(table: Table) -> None:
    """Make a savepoint of a job that runs on, and print where it is.

    \b
    Examples:
      lakehouse jobs savepoint streaming.order_metrics_5min
    """
    from lakehouse.flink import control
    from lakehouse.local.flink import job_manager
    from lakehouse.local.job_control import flink_job

    settings = load_settings()
    flink_job(settings, table)
    typer.echo(control.savepoint(settings, job_manager(settings), table))
