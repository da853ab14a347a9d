"""Small pieces of SQL text."""

from collections.abc import Collection, Iterable


def quoted(identifier: str) -> str:
    """``identifier`` as SQL writes it."""
    return '"' + identifier.replace('"', '""') + '"'


def quoted_list(identifiers: Iterable[str]) -> str:
    """The identifiers, separated by commas."""
    return ", ".join(quoted(identifier) for identifier in identifiers)


def relation(name: str) -> str:
    """`schema.table` as SQL writes it."""
    schema, table = name.split(".")
    return f"{quoted(schema)}.{quoted(table)}"


def literal(value: object) -> str:
    """``value``, as a string literal; NULL for None."""
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def literal_of(value: object, kind: str) -> str:
    """``value`` of the DuckDB type ``kind`` as a literal that delta-rs compares by statistics."""
    if value is None or kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DOUBLE", "BOOLEAN"):
        return "NULL" if value is None else str(value)
    return f"CAST({literal(value)} AS DATE)" if kind == "DATE" else literal(value)


def same(columns: Iterable[str], left: str, right: str, nullable: Collection[str] = ()) -> str:
    """The condition that two relations agree in all ``columns``; of these only ``nullable`` ones may be NULL."""
    equals = {False: "=", True: "IS NOT DISTINCT FROM"}
    return " AND ".join(
        f"{left}.{quoted(column)} {equals[column in nullable]} {right}.{quoted(column)}" for column in columns
    )


def differs(columns: Iterable[str], left: str, right: str) -> str:
    """The condition that two relations differ in any of ``columns``; NULL is a value like any other."""
    parts = [f"{left}.{quoted(column)} IS DISTINCT FROM {right}.{quoted(column)}" for column in columns]
    return "(" + (" OR ".join(parts) or "false") + ")"
