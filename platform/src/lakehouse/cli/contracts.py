"""`lakehouse contracts …`: the contracts of the streaming tables, and what is generated from them."""

from typing import Annotated

import typer

from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.settings import load_settings

contracts_app = typer.Typer(
    help="The contracts of the streaming tables, streaming/contracts/*.yaml.", no_args_is_help=True
)


class OutdatedError(LakehouseError):
    """Generated files are not what the contracts would generate now."""


@contracts_app.command()
def check() -> None:
    """Check all contracts; every mistake is shown with its file and line.

    What speaks against a table's engine is a warning: the table works, at another cost.

    \b
    Examples:
      lakehouse contracts check
    """
    from lakehouse.contracts import load_contracts
    from lakehouse.contracts.fit import misfits
    from lakehouse.flink.spec import script_text

    settings = load_settings()
    contracts = load_contracts(settings.contracts_dir)
    for contract in contracts:
        script_text(settings, contract)
        for misfit in misfits(contract):
            typer.secho(f"{contract.table}: {contract.resolved_engine}: {misfit}", fg=typer.colors.YELLOW, err=True)
    typer.echo(f"{len(contracts)} contract{'' if len(contracts) == 1 else 's'} in {settings.contracts_dir}: all valid")


@contracts_app.command("list")
def list_contracts() -> None:
    """List the tables, how fresh each has to be, and the engine that follows from it.

    \b
    Examples:
      lakehouse contracts list
    """
    from rich.console import Console
    from rich.table import Table

    from lakehouse.contracts import load_contracts
    from lakehouse.contracts.duration import format_duration

    table = Table("table", "freshness", "engine", "source", "what one row is", box=None, pad_edge=False)
    for contract in load_contracts(load_settings().contracts_dir):
        engine = f"{contract.resolved_engine.value}{' (auto)' if contract.engine == 'auto' else ''}"
        freshness = format_duration(contract.freshness)
        table.add_row(contract.table, freshness, engine, contract.source.origin, contract.description)
    Console().print(table)


@contracts_app.command()
def show(table: Annotated[str, typer.Argument(help="schema.table")]) -> None:
    """Show one contract with its defaults filled in, and what follows from it.

    \b
    Examples:
      lakehouse contracts show raw.orders
    """
    import yaml

    from lakehouse.contracts import declared_tables, find_contract
    from lakehouse.contracts.fit import decision_of, misfits

    contract = find_contract(load_settings().contracts_dir, table)
    typer.echo(
        yaml.safe_dump(contract.model_dump(mode="json", exclude_none=True), sort_keys=False, width=110), nl=False
    )
    rule = decision_of(contract).rule
    reason = f"{rule.name}: {rule.text}" if contract.engine == "auto" else "the contract asks for it"
    typer.echo("\n# What follows from it")
    typer.echo(f"# engine:          {contract.resolved_engine.value} ({reason})")
    for misfit in misfits(contract):
        typer.echo(f"# warning:         {misfit}")
    for declared in declared_tables(contract):
        typer.echo(f"# {declared.name}: {', '.join(column.name for column in declared.columns)}")


@contracts_app.command()
def apply(table: Annotated[str, typer.Argument(help="schema.table")]) -> None:
    """Give a contract's tables what it asks for since a change: a retention, optional columns.

    Their writer may run meanwhile; `lakehouse up` then has it write the new columns. Whatever else a table has stays.

    \b
    Examples:
      lakehouse contracts apply raw.orders
    """
    from lakehouse.contracts import find_contract
    from lakehouse.storage import Catalog
    from lakehouse.storage.create import apply_contract

    settings = load_settings()
    applied = apply_contract(Catalog.from_settings(settings), find_contract(settings.contracts_dir, table))
    for name, properties in applied.items():
        for key, value in properties.items():
            typer.echo(f"{name}: {key} = {value}")
    if not applied:
        typer.echo(f"{table} has what its contract asks for.")


@contracts_app.command()
def generate(
    check_only: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when a file is not current.")
    ] = False,
) -> None:
    """Write what derives from the contracts: JSON schemas, dbt sources, alerts, dashboards, reference pages.

    \b
    Examples:
      lakehouse contracts generate
      lakehouse contracts generate --check
    """
    from lakehouse.contracts import load_contracts
    from lakehouse.contracts.generate import generated_files
    from lakehouse.deploy.values import values_schema
    from lakehouse.observability.grafana import dashboard_files
    from lakehouse.observability.monitoring import checked_in_files
    from lakehouse.reference import reference_pages

    settings = load_settings()
    contracts = load_contracts(settings.contracts_dir)
    files = {
        **generated_files(contracts, settings.contracts_dir, settings.dbt_dir),
        **reference_pages(settings.home),
        **checked_in_files(settings.home, contracts),
        **dashboard_files(settings.home),
        **values_schema(settings.home),
    }
    outdated = [file for file, text in files.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    if check_only and outdated:
        listed = "\n".join(f"  {file}" for file in outdated)
        raise OutdatedError(f"not what the contracts generate:\n{listed}\nRun `{command('contracts generate')}`.")
    for file in outdated:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(files[file], encoding="utf-8")
        typer.echo(f"wrote {file}")
    if not outdated:
        typer.echo(f"{len(files)} generated files are current")
