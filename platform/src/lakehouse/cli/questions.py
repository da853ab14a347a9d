"""The questions that `lakehouse choose` asks where it was told nothing."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import typer

from lakehouse.contracts.duration import parse_duration
from lakehouse.contracts.workload import (
    MEANINGS,
    Budget,
    Consumer,
    Infrastructure,
    Need,
    Skill,
    SourceKind,
    Workload,
)

_T = TypeVar("_T")


def ask() -> Workload:
    """The answers. Enter passes over a question; a wrong answer is told, and the question asked again."""
    typer.echo("Enter passes over a question; several answers are separated by commas.\n", err=True)
    given: dict[str, Any] = {
        "freshness": prompted("How old may a row be when a reader sees it (5 seconds, 1 hour)?", parse_duration),
        "source": _one("Where do the rows come from?", SourceKind),
        "consumers": _some("Who reads the table?", Consumer),
        "needs": _some("What is computed, or promised?", Need),
        "team": _some("What has the team run in production?", Skill),
        "infrastructure": _some("What runs already?", Infrastructure),
        "events_per_second": prompted("Events a second?", _number, ""),
        "rows_per_run": prompted("Rows that a scheduled run would go through?", _whole, ""),
        "budget": _one("What may it cost?", Budget) or Budget.NORMAL,
    }
    typer.echo("", err=True)
    return Workload(**given)


def prompted(question: str, parse: Callable[[str], _T], default: str | None = None) -> _T:
    """The answer to ``question`` as ``parse`` reads it; asked again while that raises ValueError."""
    while True:
        text = typer.prompt(question, default=default, show_default=bool(default), err=True)
        try:
            return parse(text)
        except ValueError as error:
            typer.secho(str(error), fg=typer.colors.RED, err=True)


def _one(question: str, answers: type[StrEnum]) -> StrEnum | None:
    _list(answers)
    chosen = prompted(question, lambda text: _parse(text, answers, 1), "")
    return next(iter(chosen), None)


def _some(question: str, answers: type[StrEnum]) -> frozenset[StrEnum]:
    _list(answers)
    return prompted(question, lambda text: _parse(text, answers, len(answers)), "")


def _list(answers: type[StrEnum]) -> None:
    width = max(map(len, answers)) + 2
    for answer in answers:
        typer.echo(f"  {answer.value:<{width}}{MEANINGS[answer]}", err=True)


def _parse(text: str, answers: type[StrEnum], most: int) -> frozenset[StrEnum]:
    given = [part.strip() for part in text.split(",") if part.strip()]
    valid = ", ".join(answers)
    for part in given:
        if part not in list(answers):
            raise ValueError(f"{part!r} is no answer. Answers: {valid}")
    if len(given) > most:
        raise ValueError(f"{text!r} are {len(given)} answers: expected one of {valid}")
    return frozenset(answers(part) for part in given)


def _number(text: str) -> float | None:
    return _positive(text, float)


def _whole(text: str) -> int | None:
    return _positive(text, int)


def _positive(text: str, kind: Callable[[str], _T]) -> _T | None:
    """``text`` as a number above 0; None where there is none."""
    cleaned = text.replace(",", "").replace("_", "").strip()
    if not cleaned:
        return None
    try:
        number = kind(cleaned)
    except ValueError:
        raise ValueError(f"{text!r} is no number: expected one above 0, or nothing") from None
    if not 0 < number < float("inf"):  # type: ignore[operator]  # int or float
        raise ValueError(f"{text!r} is out of range: expected a number above 0, or nothing")
    return number
