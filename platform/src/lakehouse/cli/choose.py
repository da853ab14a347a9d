"""`lakehouse choose`: which engine a latency contract asks for, and why."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lakehouse.cli.answer import Answer, answer_for, as_dict, as_table, as_text
from lakehouse.cli.questions import ask
from lakehouse.contracts.decision import decide
from lakehouse.contracts.loader import find_contract, load_contract, load_contracts
from lakehouse.contracts.workload import Budget, Consumer, Infrastructure, Need, Skill, SourceKind, Workload
from lakehouse.errors import LakehouseError
from lakehouse.settings import load_settings

if TYPE_CHECKING:
    from lakehouse.contracts.model import Contract


class ChooseError(LakehouseError):
    """The question is not complete, or contradicts itself."""


def choose(
    contract: Annotated[
        str | None, typer.Argument(help="A table (schema.table) or a contract's file; options replace what it says.")
    ] = None,
    freshness: Annotated[str | None, typer.Option(help="How old a row may be, as '5 seconds', '1 hour'.")] = None,
    source: Annotated[SourceKind | None, typer.Option(help="Where the rows come from.")] = None,
    consumer: Annotated[list[Consumer] | None, typer.Option(help="Who reads the table. Repeatable.")] = None,
    need: Annotated[list[Need] | None, typer.Option(help="What is computed or promised. Repeatable.")] = None,
    team: Annotated[list[Skill] | None, typer.Option(help="What the team has run. Repeatable.")] = None,
    runs: Annotated[list[Infrastructure] | None, typer.Option(help="What runs already. Repeatable.")] = None,
    rows_per_run: Annotated[int | None, typer.Option(help="Rows a scheduled run would go through.", min=1)] = None,
    events_per_second: Annotated[float | None, typer.Option(help="Events a second, of one job.")] = None,
    budget: Annotated[Budget | None, typer.Option(help="What running it may cost.")] = None,
    every: Annotated[bool, typer.Option("--all", help="A table of all contracts.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Choose the engine for a table: by a contract, by options, or by answering questions.

    Tells the rule that decided, what speaks against the engine, what would change the answer, and a rough cost.
    docs/reference/rules.md lists the rules.

    \b
    Examples:
      lakehouse choose                                        asks
      lakehouse choose raw.orders
      lakehouse choose raw.orders --freshness '5 seconds'     what if?
      lakehouse choose --freshness '1 hour' --source database --consumer bi
      lakehouse choose --all
      lakehouse choose --all --json | jq '.[] | select(.warnings != [])'
    """
    given: dict[str, Any] = {
        "freshness": freshness,
        "source": source,
        "consumers": consumer,
        "needs": need,
        "team": team,
        "infrastructure": runs,
        "rows_per_run": rows_per_run,
        "events_per_second": events_per_second,
        "budget": budget,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if every:
        if contract is not None or given:
            raise ChooseError("--all shows every contract as it is: leave out the table and the other options")
        answers = [answer_for(one) for one in load_contracts(load_settings().contracts_dir)]
        typer.echo(json.dumps([as_dict(answer) for answer in answers], indent=2) if as_json else as_table(answers))
        return
    if contract is not None:
        answer = answer_for(_contract(contract))
        answer = replace(answer, decision=decide(_workload({**dict(answer.decision.workload), **given})))
    elif not given and not as_json:
        answer = Answer(None, decide(ask()))
    elif freshness is None:
        raise ChooseError("--freshness is missing: the rules go by it first. Give one, as --freshness '1 minute'")
    else:
        answer = Answer(None, decide(_workload(given)))
    typer.echo(json.dumps(as_dict(answer), indent=2) if as_json else as_text(answer))


def _contract(name: str) -> "Contract":
    """The contract of the table ``name``, or in the file of that name."""
    if name.endswith((".yaml", ".yml")):
        return load_contract(Path(name))
    return find_contract(load_settings().contracts_dir, name)


def _workload(given: dict[str, Any]) -> Workload:
    try:
        return Workload.model_validate(given)
    except ValidationError as error:
        raise ChooseError("\n".join(map(_told, error.errors()))) from error


def _told(problem: ErrorDetails) -> str:
    option = f"--{problem['loc'][0]}".replace("_", "-")
    if problem["type"] == "value_error":
        return f"{option}: {problem['msg'].removeprefix('Value error, ')}"
    return f"{option}: {problem['input']!r} is no value: {problem['msg']}"
