"""What differs between a table as it stands and as its contract wants it, each difference with its remedy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deltalake import DeltaTable, Field, Schema

from lakehouse.contracts.model import Contract
from lakehouse.invocation import command

_MOVE = "change the contract back, or move the table away to have a new one created"


@dataclass(frozen=True)
class Difference:
    """One difference. ``what`` is a column, `partition_by` or a property; None stands for what is not there.

    ``altered`` says whether the table can be altered to be as expected.
    """

    what: str
    found: str | None
    expected: str | None
    remedy: str
    altered: bool = False

    def __str__(self) -> str:
        found, expected = self.found or "has none", self.expected or "has none"
        return f"{self.what}: table {found}, contract {expected}. Remedy: {self.remedy}"


def differences(
    table: DeltaTable, schema: Schema, partition_by: Sequence[str], properties: Mapping[str, str], contract: Contract
) -> list[Difference]:
    """How ``table`` differs from the ``schema``, ``partition_by`` and ``properties`` that ``contract`` gives it.

    Comments and properties that the contract does not speak of are nobody's concern here.
    """
    return [
        *_columns(table.schema(), schema, contract),
        *_partitioning(table.metadata().partition_columns, partition_by),
        *_properties(table.metadata().configuration, properties, contract),
    ]


def _columns(existing: Schema, wanted: Schema, contract: Contract) -> Iterator[Difference]:
    found = {field.name: field for field in existing.fields}
    expected = {field.name: field for field in wanted.fields}
    for column in sorted(found.keys() | expected.keys()):
        have, want = found.get(column), expected.get(column)
        if have is None and want is not None and want.nullable:
            yield Difference(column, None, str(want.type), f"{_apply(contract)} adds it", altered=True)
        elif have is None or want is None or have.type != want.type:
            yield Difference(column, str(have.type) if have else None, str(want.type) if want else None, _MOVE)
        elif have.nullable != want.nullable:
            yield Difference(column, _nullability(have), _nullability(want), _nullable_remedy(want))


def _nullability(field: Field) -> str:
    return "allows NULL" if field.nullable else "is NOT NULL"


def _nullable_remedy(want: Field) -> str:
    change = "set `required: true` again" if want.nullable else "drop `required: true`"
    return f"{change} in the contract, or move the table away to have a new one created"


def _partitioning(found: Sequence[str], expected: Sequence[str]) -> Iterator[Difference]:
    if list(found) != list(expected):
        yield Difference("partition_by", ", ".join(found), ", ".join(expected), _MOVE)


def _properties(
    found: Mapping[str, str | None], expected: Mapping[str, str], contract: Contract
) -> Iterator[Difference]:
    for key, value in sorted(expected.items()):
        if found.get(key) != value:
            yield Difference(key, found.get(key), value, f"{_apply(contract)} sets it", altered=True)


def _apply(contract: Contract) -> str:
    return f"`{command(f'contracts apply {contract.table}')}`"
