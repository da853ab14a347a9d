"""`lakehouse add`: a contract for a topic, drafted from its messages."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer

from lakehouse.contracts.duration import parse_duration
from lakehouse.contracts.source import TABLE
from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.settings import load_settings

_T = TypeVar("_T")
_FRESHNESS = "1 minute"


class AddError(LakehouseError):
    """No contract can be added as asked."""


def add(
    topic: Annotated[str, typer.Argument(help="The Kafka topic.")],
    table: Annotated[str | None, typer.Option(help="schema.table. Default: raw, and the topic's name.")] = None,
    freshness: Annotated[str | None, typer.Option(help=f"How old a row may be. Default: {_FRESHNESS}.")] = None,
    owner: Annotated[str | None, typer.Option(help="Who answers for it: team:name, or an address.")] = None,
    description: Annotated[str | None, typer.Option(help="What one row is.")] = None,
    messages: Annotated[int, typer.Option(help="Messages to look at, the newest.", min=1, max=1_000_000)] = 1000,
    seconds: Annotated[float, typer.Option(help="How long to read at most.", min=0.1)] = 10.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; needs --owner.")] = False,
) -> None:
    """Draft the contract of a topic from a sample of its messages; tell the engine that it leads to, and the plan.

    Infers columns, types, the event time, keys and the rate, and says in comments what each rests on. Nothing starts:
    look the file over, then do with `lakehouse apply` what the plan shows. An existing file is never overwritten.

    \b
    Examples:
      lakehouse add clicks
      lakehouse add clicks --messages 20000 --table web.clicks
      lakehouse add clicks --freshness '5 seconds' --owner team:web --yes
    """
    from lakehouse.cli.answer import answer_for, as_text
    from lakehouse.cli.plan import show
    from lakehouse.cli.questions import prompted
    from lakehouse.local.planning import plan_stack
    from lakehouse.sampling.draft import Draft, contract_text
    from lakehouse.sampling.events import read_events
    from lakehouse.sampling.infer import infer
    from lakehouse.sampling.place import place_contract, planned_file
    from lakehouse.sampling.sample import sample_topic

    settings = load_settings()
    # What the options get wrong is told before anything is read.
    name = _checked("--table", table or _default_table(topic), _table)
    wanted = None if freshness is None else _checked("--freshness", freshness, parse_duration)
    answerable = None if owner is None else _checked("--owner", owner, _owner)
    if yes and answerable is None:
        raise AddError("--owner is missing: somebody answers for each table. Give one, as --owner team:web")
    file = planned_file(settings.contracts_dir, name)

    sample = sample_topic(settings, topic, messages, seconds)
    events, refused = read_events(sample.messages)
    if len(refused) > len(events):
        raise AddError(
            f"{len(refused):,} of {len(sample.messages):,} messages of {topic!r} are no JSON objects, which contracts "
            f"read. The first: {refused[0]}"
        )
    inferred = infer(events)
    if not yes:
        typer.echo(f"{topic}: {len(inferred.columns)} columns, event time {inferred.event_time}", err=True)
        wanted = wanted or prompted("How old may a row be when a reader sees it?", parse_duration, _FRESHNESS)
    draft = Draft(
        table=name,
        topic=topic,
        description=description or f"One message of {topic}.",
        owner=answerable or prompted("Who answers for the table (team:name, or an address)?", _owner),
        freshness=wanted or parse_duration(_FRESHNESS),
        events_per_second=sample.events_per_second,
        sampled=len(sample.messages),
        refused=len(refused),
        on=datetime.now(UTC).date(),
    )
    contract = place_contract(file, name, contract_text(draft, inferred))
    typer.echo(f"wrote {file}\n")
    typer.echo(f"{as_text(answer_for(contract))}\n")
    planned = plan_stack(settings, only=contract.table)
    show(planned)
    typer.echo("\nLook it over, then:")
    # A refusal is mended in the contract, and then looked at again.
    for step in ("contracts generate", "plan" if planned.refused else "apply"):
        typer.echo(f"  {command(step)}")


def _default_table(topic: str) -> str:
    """`raw.` and the topic's name as far as a table can have it."""
    words = re.sub(r"[^a-z0-9]+", "_", topic.lower()).strip("_")
    return f"raw.{words}" if words[:1].isalpha() else f"raw.topic_{words}"


def _table(text: str) -> str:
    if re.fullmatch(TABLE, text) is None:
        raise ValueError(f"{text!r} is no table: expected schema.table in lower case, as raw.clicks")
    return text


def _owner(text: str) -> str:
    """``text``, in one of the two forms that Dagster takes."""
    if re.fullmatch(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+", text.strip()) is None:
        raise ValueError(f"{text!r} is no owner: expected a team, as team:web, or an address, as ann@example.com")
    return text.strip()


def _checked(option: str, text: str, parse: Callable[[str], _T]) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise AddError(f"{option}: {error}") from error
