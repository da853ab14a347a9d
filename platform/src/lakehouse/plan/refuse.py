"""What a contract may ask for that cannot be had, each with the ways on: told before anything is done."""

from collections.abc import Iterator

from lakehouse.contracts import Contract, Engine
from lakehouse.invocation import command
from lakehouse.plan.found import Found, Topic


def refusals(contract: Contract, found: Found) -> Iterator[str]:
    """Why ``contract`` cannot be applied as it is; nothing where it can."""
    yield from found.refusals
    for name, table in found.tables.items():
        if table is not None and table.comparison.conflicts:
            listed = "\n".join(f"  {conflict}" for conflict in table.comparison.conflicts)
            yield f"table {name} does not match its contract:\n{listed}"
    moves = bool(found.progress - {contract.resolved_engine})
    if found.progress and found.tables[contract.table] is None:
        yield (
            f"{contract.table} is gone, but a checkpoint of {_engines(found)} has read its source already. Put the "
            "table back; or move the checkpoint away to fill a new table with what the source still holds."
        )
    if moves and contract.transform is not None and contract.resolved_engine is Engine.FLINK and _rows(contract, found):
        yield (
            f"{contract.table} holds {_rows(contract, found):,} rows of {_engines(found)}, and nothing tells which "
            f"events they were made of: Flink would make them twice. Set `engine: {_engines(found).lower()}` again; or "
            "move the table away, and Flink fills a new one."
        )
    if contract.transform is None and not found.progress & {contract.resolved_engine}:
        yield from _offsets(contract, found)


def _offsets(contract: Contract, found: Found) -> Iterator[str]:
    """A writer without a checkpoint begins behind the table's rows: the topic has to hold what comes there."""
    topic = Topic({}, {}) if found.topic_missing else found.topic
    if topic is None:
        return
    for partition, following in sorted(found.following.items()):
        at = f"{contract.source.topic}[{partition}]"
        end = topic.end.get(partition, 0)
        if following > end:
            yield (
                f"{contract.table} holds {at} up to offset {following - 1}, and the topic ends before {end}: it was "
                "deleted and created again. Feed the table from a topic of another name; or move the table away to "
                "fill a new one from the topic's beginning."
            )
        elif following < topic.beginning.get(partition, 0) and contract.source.fail_on_data_loss:
            lost = topic.beginning[partition] - following
            yield (
                f"{contract.table} would go on at {at} offset {following}, and the topic begins at "
                f"{topic.beginning[partition]}: {lost:,} events expired unread. Leave the table with the engine "
                f"that has it until it has caught up, see `{command('status')}`; or set `fail_on_data_loss: false` "
                "under Spark, which records them in quarantine."
            )


def _rows(contract: Contract, found: Found) -> int:
    table = found.tables[contract.table]
    return table.rows if table else 0


def _engines(found: Found) -> str:
    return " and ".join(engine.value.capitalize() for engine in sorted(found.progress))
