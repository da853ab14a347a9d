"""The rules applied to a workload: the engine, what speaks against it, and what would change the answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

from lakehouse.contracts.conditions import AtLeast, FresherThan, FreshWithin, More
from lakehouse.contracts.duration import format_duration
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.rules import RED_FLAGS, RULES, RedFlag, Rule
from lakehouse.contracts.workload import ANSWERS, Workload

_INSTANT = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Change:
    """Were ``input`` alone ``to``, then ``rule`` would choose ``engine``."""

    input: str
    to: str
    engine: Engine
    rule: str


@dataclass(frozen=True)
class Decision:
    """The engine for a workload, and the rule that decided."""

    workload: Workload
    rule: Rule

    @property
    def engine(self) -> Engine:
        return self.rule.engine

    @property
    def changes(self) -> tuple[Change, ...]:
        """Every change of one input that leads to another engine; of the freshness only the nearest to each engine."""
        changed = ((name, to, decide(self.workload.model_copy(update={name: v}))) for name, to, v in self._others())
        seen: set[Engine] = set()
        changes = []
        for name, to, other in changed:
            nearest = name != "freshness" or other.engine not in seen
            if other.engine is not self.engine and nearest:
                changes.append(Change(name, to, other.engine, other.rule.name))
                seen |= {other.engine} if name == "freshness" else set()
        return tuple(changes)

    def _others(self) -> Iterator[tuple[str, str, Any]]:
        """Inputs with another value and how that is told: one on each side of every bound, and every answer."""
        yield from sorted(_freshness_values(), key=lambda other: abs(other[2] - self.workload.freshness))
        for name, answers in ANSWERS.items():
            given = getattr(self.workload, name)
            if isinstance(given, frozenset):
                yield from ((name, f"{'without' if a in given else 'with'} {a}", given ^ {a}) for a in answers)
            else:
                yield from ((name, answer.value, answer) for answer in answers)
        for condition in _conditions():
            if isinstance(condition, More):
                yield condition.field, f"above {condition.bound:,}", condition.bound + 1
                yield condition.field, f"at most {condition.bound:,}", condition.bound
            if isinstance(condition, AtLeast):
                yield condition.field, f"{condition.bound:,} or more", condition.bound
                yield condition.field, f"below {condition.bound:,}", condition.bound - 1


def decide(workload: Workload) -> Decision:
    """What the first rule that holds of ``workload`` says. The last one always holds."""
    return Decision(workload, next(rule for rule in RULES if all(condition.holds(workload) for condition in rule.when)))


def red_flags(workload: Workload, engine: Engine) -> tuple[RedFlag, ...]:
    """What speaks against ``engine`` for ``workload``, whoever chose it."""
    return tuple(flag for flag in RED_FLAGS if engine in flag.engines and flag.when.holds(workload))


def against(decision: Decision, engine: Engine) -> tuple[str, ...]:
    """Why not ``engine`` for the workload of ``decision``, in sentences: the rule that decided, the red flags."""
    flags = tuple(f"red flag {flag.name}: {flag.text}" for flag in red_flags(decision.workload, engine))
    if engine is decision.engine or not decision.rule.firm:
        return flags
    return (f"the rules choose {decision.engine} ({decision.rule.name}): {decision.rule.text}", *flags)


def _freshness_values() -> Iterator[tuple[str, str, timedelta]]:
    for condition in set(_conditions()):
        if isinstance(condition, FresherThan):
            yield "freshness", f"below {format_duration(condition.bound)}", condition.bound - _INSTANT
            yield "freshness", f"{format_duration(condition.bound)} or more", condition.bound
        if isinstance(condition, FreshWithin):
            yield "freshness", f"{format_duration(condition.bound)} or less", condition.bound
            yield "freshness", f"above {format_duration(condition.bound)}", condition.bound + _INSTANT


def _conditions() -> Iterator[object]:
    return chain.from_iterable(rule.when for rule in RULES)
