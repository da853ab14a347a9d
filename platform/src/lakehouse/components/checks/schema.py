"""Whether the tables still are as their contract declares them: columns, types, nullability, partitions, properties."""

from collections.abc import Callable

import dagster as dg

from lakehouse.components.checks.check import Present, StreamCheck, Verdict, every
from lakehouse.contracts.model import Contract
from lakehouse.contracts.tables import DeclaredTable, declared_tables
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.create import drift
from lakehouse.storage.tail import Position, position_at, stands

#: What was found at a position of the table's log.
_Compared = tuple[Position | None, list[str]]


def schema_drift() -> StreamCheck:
    """The check. It compares a table when that has a new version, and not before."""
    return StreamCheck(
        "schema_drift",
        "The table, its quarantine and its late events have the columns, partitions and properties of the contract.",
        every,
        _judge_with({}),
    )


def _judge_with(known: dict[str, _Compared]) -> Callable[[Contract, Present], Verdict | None]:
    def judge(contract: Contract, present: Present) -> Verdict | None:
        tables = [table for table in declared_tables(contract) if present.catalog.exists(table.name)]
        if not tables:
            return None
        for table in tables:
            held = known.get(table.name)
            if held is None or held[0] is None or not stands(present.catalog, table.name, held[0]):
                known[table.name] = _compare(present.catalog, table, contract)
        found = [difference for table in tables for difference in known[table.name][1]]
        listed = "\n".join(f"- {difference}" for difference in found)
        text = f"{len(found)} differences between contract and tables, expected none"
        return Verdict(
            not found,
            f"{text}:\n{listed}" if found else text,
            {"schema_differences": len(found)},
            {"differences": dg.MetadataValue.md(listed)} if found else {},
            reason=listed,
        )

    return judge


def _compare(catalog: Catalog, wanted: DeclaredTable, contract: Contract) -> _Compared:
    table = catalog.open(wanted.name)
    differences = [f"{wanted.name}, {difference}" for difference in drift(table, wanted, contract)]
    return position_at(catalog, wanted.name, table.version()), differences
