"""How many events the writer has still to read: what expires before it is read is lost."""

from lakehouse.components.checks.check import Present, StreamCheck, Verdict, every
from lakehouse.components.checks.writer import log_of
from lakehouse.contracts.model import Contract
from lakehouse.invocation import command


def _judge(contract: Contract, present: Present) -> Verdict | None:
    lag = lag_of(contract, present)
    if lag is None:
        return None
    most = contract.checks.consumer_lag
    text = f"{lag:,} events of {contract.source.origin} are still to be read, expected at most {most:,}"
    if lag > most:
        text += (
            f" (`checks.consumer_lag`). See whether the writer keeps up: {command('status')}, and what it says: "
            f"{log_of(contract)}"
        )
    return Verdict(lag <= most, text, {"lag_events": lag, "lag_limit": most})


def lag_of(contract: Contract, present: Present) -> int | None:
    """How many events the writer of the table has still to read; None where that is not known."""
    if contract.source.table is None:
        return present.lags.get(contract.table)
    # A table has no consumer groups: the query itself tells how many of its rows it lacks.
    query = present.queries.get(contract.table)
    return query.lag_messages if query else None


CONSUMER_LAG = StreamCheck(
    "consumer_lag", "The writer has no more events still to read than the contract tolerates.", every, _judge
)
