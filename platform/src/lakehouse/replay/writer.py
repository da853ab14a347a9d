"""Whether the writer of a table stands in the way of a swap."""

from lakehouse.contracts.engine import Engine
from lakehouse.contracts.model import Contract
from lakehouse.flink.control import stopped_at
from lakehouse.invocation import command
from lakehouse.settings import Settings


def unsettled(settings: Settings, contract: Contract) -> str | None:
    """Why rows of the range may still be on their way into the table or its quarantine, and what to do; None: none are.

    Spark writes quarantine, then the table, then commits its offsets, so a range below those is whole. Flink commits
    the two tables and the offsets of a checkpoint each by itself: only those of a savepoint that it has stopped with
    are in all. What a transform computes is one table, whose own newest row tells what is final in it.
    """
    table, savepoint = contract.table, stopped_at(settings, contract.table)
    if contract.resolved_engine is not Engine.FLINK or contract.transform is not None or savepoint:
        return None
    stop = command(f"jobs stop {table}")
    state, steps = (
        ("has not stopped", stop)
        if savepoint is None
        else ("has stopped without a savepoint", f"{command(f'jobs start {table}')}, then {stop}")
    )
    return (
        f"{table} is written by a Flink job, which {state}: rows of the range may still be on their way into the table "
        f"or its quarantine, and a swap would lose or double them. Stop it with a savepoint: {steps}. Behind the swap "
        f"it goes on: {command(f'jobs start {table}')}"
    )
