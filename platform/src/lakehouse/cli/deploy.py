"""`lakehouse deploy …`: the contracts as objects of Kubernetes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lakehouse.invocation import command
from lakehouse.settings import load_settings

deploy_app = typer.Typer(help="The contracts on Kubernetes; see docs/how-to/deploy.md.", no_args_is_help=True)


# A group with one command would be that command: this keeps `render` to be typed, for others to come beside it.
@deploy_app.callback()
def _group() -> None: ...


@deploy_app.command()
def render(
    values: Annotated[
        list[Path], typer.Option("--values", "-f", help="Values, as for the Helm chart; later files win.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Directory for the files; without, they are printed.")
    ] = None,
    anew: Annotated[
        list[str] | None,
        typer.Option("--anew", help="A table whose Flink job begins without state, behind the rows it has; reads it."),
    ] = None,
) -> None:
    """Write what follows from the contracts as objects of Kubernetes.

    A SparkApplication for each group, a FlinkDeployment for each job, ConfigMaps of contracts, a PrometheusRule.
    Nothing is sent to a cluster. All else is in the Helm chart, deploy/helm/lakehouse, which takes the same values.

    \b
    Examples:
      lakehouse deploy render -f production.yaml -o rendered && kubectl apply -k rendered
      lakehouse deploy render -f production.yaml | kubectl diff -f -
      lakehouse deploy render -f production.yaml -o rendered --anew raw.visits
    """
    from lakehouse.deploy.apply import prune_command
    from lakehouse.deploy.render import as_yaml, write
    from lakehouse.deploy.render import render as rendered_objects
    from lakehouse.deploy.values import load_values

    settings = load_settings()
    told = load_values(settings.home, values)
    rendered = rendered_objects(told, settings, anew or ())
    for each in rendered:
        if each["kind"] == "FlinkDeployment" and each["metadata"]["annotations"]["lakehouse/tables"] in (anew or ()):
            _tell_beginning(each)
    if output is None:
        typer.echo(as_yaml(rendered), nl=False)
        return
    files = write(rendered, output)
    kinds = [each["kind"] for each in rendered]
    typer.echo(f"wrote {len(files)} files: {', '.join(f'{kinds.count(kind)} {kind}' for kind in dict.fromkeys(kinds))}")
    typer.echo(f"Next: {command(f'deploy render -f {values[0]}')} | kubectl diff -f -")
    typer.echo(f"      kubectl apply -k {output}")
    typer.echo(
        f"What is no more, as the job of a contract that was removed, goes with\n{prune_command(told, str(output))}"
    )


def _tell_beginning(deployment: dict[str, Any]) -> None:
    """Says where a job without state begins; not on stdout, where the objects may go."""
    table = deployment["metadata"]["annotations"]["lakehouse/tables"]
    args = deployment["spec"]["job"]["args"]
    offsets = dict(zip(args[::2], args[1::2], strict=True)).get("--starting-offsets")
    where = f"the offsets behind its rows, {offsets}" if offsets else "its contract's starting_offsets"
    typer.echo(f"{table} begins without state, at {where}. Once that runs: render and apply without --anew.", err=True)
