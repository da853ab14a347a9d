"""`lakehouse jars …`: for the Makefile, and for whoever changes a version in deploy/jars."""

import typer

from lakehouse.settings import load_settings

jars_app = typer.Typer(help="The jars of Kafka, Spark and S3, and the project's own.", no_args_is_help=True)


@jars_app.command()
def fetch() -> None:
    """Resolve the pinned jars through Maven and verify them, and build our own. Nothing to do when they are there."""
    from lakehouse.local.jars import JAR_SETS, fetch_jars

    settings = load_settings()
    for jar_set in JAR_SETS:
        typer.echo(f"{jar_set}: {fetch_jars(settings, jar_set)}")


@jars_app.command()
def lock() -> None:
    """Write deploy/jars/*/checksums.sha256 anew after a change of a pom.xml. Review the difference."""
    from lakehouse.local.jars import PINNED_JARS, TEST_JAR_SETS, lock_jars

    settings = load_settings()
    for jar_set in (*PINNED_JARS, *TEST_JAR_SETS):
        typer.echo(f"wrote {lock_jars(settings, jar_set)}")
