"""`lakehouse`: the command line of the platform.

Commands import what is heavy when they run, so that `--help` answers at once.
"""

from typing import Any

import typer
from typer.core import TyperGroup

from lakehouse.cli.contracts import contracts_app
from lakehouse.cli.jars import jars_app
from lakehouse.cli.produce import produce
from lakehouse.cli.query import query
from lakehouse.cli.stack import doctor, down, logs, up
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
    help="A lakehouse on this machine: Kafka, Postgres, Spark, Dagster and dbt around one storage of Delta tables.",
    epilog="Start with `lakehouse up`. Every setting is a variable LAKEHOUSE_*, and what runs lives below .lakehouse/.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (up, down, status, logs, doctor, produce, query):
    app.command()(command)
app.add_typer(contracts_app, name="contracts")
app.add_typer(jars_app, name="jars", hidden=True)
