"""`lakehouse`: the command line of the platform.

Commands import what is heavy when they run, so that `--help` answers at once.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from lakehouse.cli.add import add
from lakehouse.cli.choose import choose
from lakehouse.cli.contracts import contracts_app
from lakehouse.cli.deploy import deploy_app
from lakehouse.cli.jars import jars_app
from lakehouse.cli.jobs import jobs_app
from lakehouse.cli.logs import logs
from lakehouse.cli.maintain import maintain
from lakehouse.cli.notify import notify
from lakehouse.cli.plan import apply, plan
from lakehouse.cli.produce import produce
from lakehouse.cli.query import query
from lakehouse.cli.replay import replay_app
from lakehouse.cli.stack import doctor, down, up
from lakehouse.cli.status import status
from lakehouse.errors import LakehouseError


class _Commands(TyperGroup):
    """The one place where an error that is meant for the user becomes a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LakehouseError as error:
            typer.secho(str(error), fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    name="lakehouse",
    cls=_Commands,
    help="A lakehouse on this machine: Kafka, Postgres, Spark, Flink, Dagster and dbt, around Delta tables.",
    epilog="Start with `lakehouse up`. Every setting is a variable LAKEHOUSE_*, and what runs lives below .lakehouse/.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (up, down, status, plan, apply, choose, add, logs, doctor, produce, query, maintain, notify):
    app.command()(command)
app.add_typer(contracts_app, name="contracts")
app.add_typer(jobs_app, name="jobs")
app.add_typer(deploy_app, name="deploy")
app.add_typer(replay_app, name="replay")
app.add_typer(jars_app, name="jars", hidden=True)
