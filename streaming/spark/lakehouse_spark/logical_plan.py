"""Spark's logical plan of what a function computes, as text that two runs of the same function share.

Spark numbers columns anew in each run and spells a window out as arithmetic on microseconds. Here a column is told by
what it was computed of, and a window by its length.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from py4j.java_gateway import JavaObject
from pyspark.sql import DataFrame

from lakehouse.contracts.duration import format_duration

#: A column: its name, and the number that Spark gives it in this run.
_COLUMN = re.compile(r"(\w+)#(\d+)L?(?:-T\d+ms)?")
#: What else differs from run to run, or is the watermark's delay.
_NOISE = re.compile(r"#\d+L?(-T\d+ms)?|@[0-9a-f]{4,}|^~|-T\d+ms")
#: The source is compared as such, the watermark too; an alias of a frame computes nothing.
_TOLD_ELSEWHERE = ("StreamingRelation", "EventTimeWatermark", "SubqueryAlias")
#: More fields than any node has: Spark leaves out what goes beyond.
_ALL_FIELDS = 10_000
_TIME_WINDOW = "spark.timeWindow"


@dataclass(frozen=True)
class LogicalPlan:
    """The analysed plan of ``rows``. What lies below the events that the function got is none of its own."""

    rows: DataFrame

    @cached_property
    def nodes(self) -> list[JavaObject]:
        """The nodes from the result down to the source."""
        return list(below(self.rows._jdf.queryExecution().analyzed()))

    def lines(self) -> list[str]:
        """What is computed, a line each: columns as `name = expression`, every other node as Spark tells it."""
        told: list[str] = []
        for node in self.nodes:
            if node.nodeName() in ("Project", "Expand"):
                told += [_plain(f"{name} = {text}") for name, text in _defined(node).values()]
            elif not node.nodeName().startswith(_TOLD_ELSEWHERE):
                told.append(_plain(text_of(node)))
        return told

    def resolved(self, node: JavaObject) -> str:
        """The text of ``node`` with its columns as what they were computed of, and without names for results."""
        return _plain(self._resolve(re.sub(r" AS [^#]+#\d+L?(-T\d+ms)?", "", text_of(node)), frozenset()))

    def _resolve(self, text: str, within: frozenset[str]) -> str:
        def value(column: re.Match[str]) -> str:
            name, number = column.groups()
            if number in within or number not in self._definitions:
                return name
            return self._resolve(self._definitions[number][1], within | {number})

        return _COLUMN.sub(value, text)

    @cached_property
    def _definitions(self) -> Mapping[str, tuple[str, str]]:
        return {
            number: found
            for node in self.nodes
            if node.nodeName() in ("Project", "Expand")
            for number, found in _defined(node).items()
        }


def below(plan: JavaObject) -> Iterator[JavaObject]:
    """``plan`` and all nodes below it."""
    yield plan
    for child in elements(plan.children()):
        yield from below(child)


def elements(sequence: JavaObject) -> Iterator[JavaObject]:
    """What a sequence of Scala holds."""
    return (sequence.apply(position) for position in range(sequence.size()))


def text_of(node: JavaObject) -> str:
    """The node without those below it."""
    return str(node.simpleString(_ALL_FIELDS))


def _defined(node: JavaObject) -> dict[str, tuple[str, str]]:
    """The columns that ``node`` computes and does not merely hand on: number → name and expression."""
    if node.nodeName() == "Expand":
        alternatives = [list(elements(projection)) for projection in elements(node.projections())]
        found = [(column, [row[place] for row in alternatives]) for place, column in enumerate(elements(node.output()))]
    elif any(child.nodeName().startswith("StreamingRelation") for child in elements(node.children())):
        return {}  # The events themselves.
    else:
        found = [(column, [column.child()]) for column in elements(node.projectList()) if column.nodeName() == "Alias"]
    return {
        str(column.exprId().id()): (column.name(), _expression(column, [value.toString() for value in values]))
        for column, values in found
        if any(value.toString() != column.toString() for value in values)
    }


def _expression(column: JavaObject, values: list[str]) -> str:
    text = " or ".join(values)
    if f'"{_TIME_WINDOW}"' not in column.metadata().json():
        return text
    times = sorted({name for name, _ in _COLUMN.findall(text)})
    steps = sorted({int(number) for number in re.findall(r"\b\d{4,}\b", _NOISE.sub("", text))})
    lengths = [format_duration(timedelta(microseconds=step)) for step in steps]
    slid = [steps[0] * count for count in range(1, len(steps) + 1)] == steps
    told = f"{lengths[-1]} every {lengths[0]}" if slid and len(lengths) > 1 else ", ".join(lengths)
    return f"window({', '.join(times)}, {told})"


def _plain(text: str) -> str:
    return _NOISE.sub("", text)
