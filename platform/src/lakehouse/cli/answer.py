"""What `lakehouse choose` answers: as text, as one line of a table, as JSON."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from textwrap import TextWrapper
from typing import Any

from lakehouse.contracts.cost import running_cost
from lakehouse.contracts.decision import Decision, against, red_flags
from lakehouse.contracts.duration import format_duration
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.fit import decision_of
from lakehouse.contracts.model import Contract
from lakehouse.contracts.workload import Workload

_WIDTH = 110
_INDENT = " " * 12


@dataclass(frozen=True)
class Answer:
    """A decision, and of a contract its table and the engine that it names, if it names one."""

    table: str | None
    decision: Decision
    named: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine that writes the table, or would."""
        return self.named or self.decision.engine

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against that engine."""
        return against(self.decision, self.engine)


def answer_for(contract: Contract) -> Answer:
    """What the rules say to ``contract``."""
    named = None if contract.engine == "auto" else Engine(contract.engine)
    return Answer(contract.table, decision_of(contract), named)


def as_dict(answer: Answer) -> dict[str, Any]:
    """For scripts: ``engine`` is the one that writes the table, ``chosen`` the one that the rules choose."""
    decision, rule = answer.decision, answer.decision.rule
    cost = running_cost(decision.workload, answer.engine)
    return {
        "table": answer.table,
        "engine": answer.engine.value,
        "chosen": decision.engine.value,
        "rule": {key: getattr(rule, key) for key in ("name", "text", "example", "source", "firm")},
        "red_flags": [{"name": flag.name, "text": flag.text} for flag in red_flags(decision.workload, answer.engine)],
        "warnings": list(answer.warnings),
        "changes": [{**vars(change), "engine": change.engine.value} for change in decision.changes],
        "cost": vars(cost),
        "workload": decision.workload.model_dump(mode="json", exclude_none=True),
    }


def as_text(answer: Answer) -> str:
    """For people."""
    rule, workload = answer.decision.rule, answer.decision.workload
    title = f"{answer.table}: " if answer.table else ""
    named = ", as the contract names it" if answer.named else ""
    rows = [
        ("rule", f"{rule.name}: {rule.text}"),
        ("", f"as for: {rule.example}"),
        ("", f"from: {rule.source}"),
        ("asked", ", ".join(_known(workload))),
        *(("warning", warning) for warning in answer.warnings),
        *(() if answer.warnings else (("warnings", "none"),)),
        ("cost", f"{running_cost(workload, answer.engine)}"),
        *(("otherwise", text) for text in _otherwise(answer.decision) or ["no single other answer changes the engine"]),
    ]
    return "\n".join([f"{title}{answer.engine}{named}", *(_row(label, text) for label, text in rows)])


def as_table(answers: Iterable[Answer]) -> str:
    """One line a contract, and below it what speaks against its engine."""
    head = ("table", "freshness", "engine", "rule", "cores", "warnings")
    lines = [(head, ())] + [(_cells(answer), answer.warnings) for answer in answers]
    widths = [max(len(cells[column]) for cells, _ in lines) for column in range(len(head))]
    told = []
    for cells, warnings in lines:
        told.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
        told += [_wrapped(text, "  ! ", "    ") for text in warnings]
    return "\n".join(told)


def _cells(answer: Answer) -> tuple[str, ...]:
    workload = answer.decision.workload
    engine = f"{answer.engine}{'' if answer.named else ' (auto)'}"
    cost = running_cost(workload, answer.engine)
    cores = "?" if cost.cores is None else f"{cost.cores:.2g}"
    freshness = format_duration(workload.freshness)
    return (answer.table or "-", freshness, engine, answer.decision.rule.name, cores, str(len(answer.warnings)))


def _known(workload: Workload) -> Iterator[str]:
    told = workload.model_dump(mode="json", exclude_defaults=True)
    # The freshness first: by it the rules go above all.
    for field in sorted(told, key=lambda field: field != "freshness"):
        yield f"{field.replace('_', ' ')} {_shown(told[field])}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return " and ".join(value)
    return f"{value:,.10g}" if isinstance(value, int | float) else str(value)


def _otherwise(decision: Decision) -> list[str]:
    """The changes, those of one input to one engine together."""
    merged: dict[tuple[str, Engine], list[str]] = {}
    for change in decision.changes:
        merged.setdefault((change.input, change.engine), []).append(change.to)
    return [
        f"{engine}, were {field.replace('_', ' ')} {' or '.join(changes).replace(' or with ', ' or ')}"
        for (field, engine), changes in merged.items()
    ]


def _row(label: str, text: str) -> str:
    return _wrapped(text, f"  {label:<10}", _INDENT)


def _wrapped(text: str, first: str, following: str) -> str:
    wrapper = TextWrapper(_WIDTH, initial_indent=first, subsequent_indent=following, break_on_hyphens=False)
    return wrapper.fill(text)
