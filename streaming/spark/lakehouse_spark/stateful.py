"""What a streaming query keeps in its state, told by its plan; and whether a watermark ever ends it."""

import re

from py4j.java_gateway import JavaObject
from pyspark.sql import DataFrame

from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import OutputMode
from lakehouse.errors import LakehouseError
from lakehouse_spark.logical_plan import LogicalPlan, below, elements, text_of

#: Nodes of Spark's logical plan that keep rows between batches. `Distinct` becomes an aggregate.
_STATEFUL = frozenset(
    {
        "Aggregate",
        "Deduplicate",
        "DeduplicateWithinWatermark",
        "Distinct",
        "FlatMapGroupsInPandasWithState",
        "FlatMapGroupsWithState",
        "Join",
        "TransformWithState",
        "TransformWithStateInPySpark",
    }
)
#: An event time, as Spark writes a column of which a watermark is known; and its number.
_EVENT_TIME = re.compile(r"#(\d+)L?-T\d+ms")


class UnboundedStateError(LakehouseError):
    """The query's state would grow for ever."""


def stateful_nodes(plan: LogicalPlan) -> list[JavaObject]:
    """The nodes of a streaming plan that keep state, from the result down to the source."""
    return [node for node in plan.nodes if node.nodeName() in _STATEFUL and node.isStreaming() and not _static(node)]


def refuse_unbounded_state(rows: DataFrame, contract: Contract) -> None:
    """Raises UnboundedStateError when ``rows`` keep state that no watermark ever ends.

    Spark itself refuses an aggregation without a watermark in append mode, and lets all else grow: a group is forgotten
    when the watermark has passed an event time that is part of it, and a group without one never. A complete result is
    bounded by `max_rows`.
    """
    if contract.transform is None or contract.transform.output_mode is OutputMode.COMPLETE:
        return
    plan = LogicalPlan(rows)
    for node in stateful_nodes(plan):
        if not any(lower.nodeName() == "EventTimeWatermark" for lower in below(node)):
            raise UnboundedStateError(
                f"{contract.table}: its function keeps state ({node.nodeName()}) without a watermark: the state "
                "of every key would be kept for ever. Give `event_time.watermark` in the contract, as `10 minutes`."
            )
        if not _ends(node):
            raise UnboundedStateError(
                f"{contract.table}: its function keeps state for ever, as no watermark passes a key without an event "
                f"time: {plan.resolved(node)}. {_REMEDIES.get(node.nodeName(), _GROUP)}"
            )


_GROUP = (
    "Group by a window of the event time too (F.window); or, where keys are few, use `mode: complete` with `max_rows`."
)
_REMEDIES = {
    "Deduplicate": "Use dropDuplicatesWithinWatermark, or have the event time among the columns.",
    "Join": "Bound how far apart the event times of both sides may be in the join's condition.",
}


def _static(node: JavaObject) -> bool:
    """Whether a join looks rows up in what is no stream: it keeps none of either."""
    return node.nodeName() == "Join" and not all(side.isStreaming() for side in elements(node.children()))


def _ends(node: JavaObject) -> bool:
    """Whether the watermark, which there is, ends what the node keeps."""
    if node.nodeName() == "Aggregate":
        groups = [expression.toString() for expression in elements(node.groupingExpressions())]
        # Without groups it keeps one row.
        return not groups or any(_is_event_time(group) for group in groups)
    if node.nodeName() == "Deduplicate":
        return any(_is_event_time(key.toString()) for key in elements(node.keys()))
    if node.nodeName() == "Distinct":
        return any(_is_event_time(column.toString()) for column in elements(node.output()))
    if node.nodeName() == "Join":
        compared = set(_EVENT_TIME.findall(text_of(node)))
        sides = [set(_EVENT_TIME.findall(side.output().toString())) for side in elements(node.children())]
        return all(compared & side for side in sides)
    # Spark's own operators for this end by themselves; what a user's state keeps, its timeouts and timers say.
    return True


def _is_event_time(expression: str) -> bool:
    """Whether it is the column itself: what is computed of it, as its hour, has no watermark for Spark."""
    return re.fullmatch(r"\w+" + _EVENT_TIME.pattern, expression) is not None
