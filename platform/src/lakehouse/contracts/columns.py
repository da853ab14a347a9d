"""The columns of a streaming table: those the contract declares and those the platform adds."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lakehouse.contracts.part import Location, MisplacedError, Part

IDENTIFIER = r"^[a-z][a-z0-9_]*$"
#: Dates and timestamps in ISO 8601, as regular expressions that Java and Python read alike; the whole text matches.
ISO_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
ISO_TIMESTAMP = ISO_DATE + "[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?"


class ColumnType(StrEnum):
    """Types that Spark, Flink, DuckDB and delta-rs store and read alike."""

    STRING = "string"
    BOOLEAN = "boolean"
    INT = "int"
    BIGINT = "bigint"
    DOUBLE = "double"
    DATE = "date"
    TIMESTAMP = "timestamp"


NUMERIC = frozenset({ColumnType.INT, ColumnType.BIGINT, ColumnType.DOUBLE})
#: Smallest and largest integers that a type holds.
INTEGERS = {ColumnType.INT: (-(2**31), 2**31 - 1), ColumnType.BIGINT: (-(2**63), 2**63 - 1)}
#: Integers stay integers: a float would move a bound beyond 2^53.
Bound = int | Annotated[float, Field(allow_inf_nan=False)]


class Column(Part):
    """One column. A value that the declared type or range cannot hold makes the row invalid."""

    name: Annotated[str, Field(pattern=IDENTIFIER, description="Column name, and the JSON field it is read from")]
    type: ColumnType = Field(description="Timestamps are ISO 8601 with seconds; UTC where no offset is given")
    required: bool = Field(default=False, description="A row without a value is invalid")
    description: str = Field(default="", description="What the value means and its unit")
    pii: bool = Field(default=False, description="Personal data: shown as a tag in the catalogue")
    minimum: Bound | None = Field(default=None, description="Smallest valid value, of a number")
    maximum: Bound | None = Field(default=None, description="Largest valid value, of a number")
    default: str | int | float | bool | None = Field(
        default=None, description="Value where the field is absent or null"
    )
    default_from: str | None = Field(default=None, description="Column to copy where the field is absent or null")
    derived_from: tuple[str, ...] = Field(
        default=(),
        description="For a transform: the fields of the events that the value is made of, for the catalogue's lineage; "
        "absent: the one of that name",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Column":
        ranged = self.minimum is not None or self.maximum is not None
        if ranged and self.type not in NUMERIC:
            raise ValueError(f"minimum and maximum go with a numeric type, not with {self.type.value!r}")
        if self.default is not None and self.default_from is not None:
            raise ValueError("default and default_from exclude each other: keep one")
        if self.required and (self.default is not None or self.default_from is not None):
            raise ValueError("a required column has no default: drop required, or drop the default")
        for field, bound in (("minimum", self.minimum), ("maximum", self.maximum)):
            if bound is not None and not fits(bound, self.type):
                raise ValueError(f"{field} {bound!r} is no value of type {self.type.value}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum!r} is above maximum {self.maximum!r}: no value would be valid")
        if self.default is not None:
            self._check_default(self.default)
        return self

    def _check_default(self, default: str | int | float | bool) -> None:
        if not fits(default, self.type):
            raise ValueError(f"default {default!r} is no value of type {self.type.value}")
        if isinstance(default, str):
            return
        if self.minimum is not None and default < self.minimum:
            raise ValueError(f"default {default!r} is below minimum {self.minimum!r}")
        if self.maximum is not None and default > self.maximum:
            raise ValueError(f"default {default!r} is above maximum {self.maximum!r}")


def check_columns(columns: Sequence[Column], location: Location) -> None:
    """Raises MisplacedError below ``location`` when ``columns`` do not go together."""
    by_name: dict[str, Column] = {}
    for position, column in enumerate(columns):
        if column.name in by_name:
            raise MisplacedError((*location, position, "name"), f"column {column.name!r} is declared twice")
        by_name[column.name] = column
    for position, column in enumerate(columns):
        try:
            _check_default_from(column, by_name)
        except ValueError as error:
            raise MisplacedError((*location, position, "default_from"), str(error)) from error


def check_time_column(columns: Sequence[Column], name: str, location: Location) -> None:
    """Raises MisplacedError at ``location`` unless ``name`` is a required timestamp among ``columns``."""
    check_reference(columns, name, location)
    column = next(column for column in columns if column.name == name)
    if column.type is not ColumnType.TIMESTAMP or not column.required:
        raise MisplacedError(location, f"{name!r} has to be a required column of type timestamp")


def check_reference(columns: Sequence[Column], name: str, location: Location) -> None:
    """Raises MisplacedError at ``location`` unless ``name`` is one of ``columns``."""
    names = [column.name for column in columns]
    if name not in names:
        raise MisplacedError(location, f"{name!r} is no column. Columns: {', '.join(names)}")


def _check_default_from(column: Column, by_name: Mapping[str, Column]) -> None:
    passed, following = [column.name], column.default_from
    while following is not None:
        if following not in by_name:
            raise ValueError(f"{following!r} is no column. Columns: {', '.join(by_name)}")
        if following in passed:
            raise ValueError(f"column {column.name!r} would be copied from itself: {' → '.join([*passed, following])}")
        passed.append(following)
        following = by_name[following].default_from
    if column.default_from and by_name[column.default_from].type != column.type:
        raise ValueError(f"column {column.name!r} and {column.default_from!r} differ in type")


def fits(value: str | int | float | bool, column_type: ColumnType) -> bool:
    """Whether ``value``, as YAML gives it, is one of the type."""
    match column_type:
        case ColumnType.STRING:
            return isinstance(value, str)
        case ColumnType.BOOLEAN:
            return isinstance(value, bool)
        case ColumnType.DOUBLE:
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        case ColumnType.DATE:
            return isinstance(value, str) and _is_iso(value, ISO_DATE, date.fromisoformat)
        case ColumnType.TIMESTAMP:
            return isinstance(value, str) and _is_iso(value, ISO_TIMESTAMP, datetime.fromisoformat)
    smallest, largest = INTEGERS[column_type]
    return isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= largest


def _is_iso(text: str, shape: str, parse: Callable[[str], object]) -> bool:
    if not re.fullmatch(shape, text):
        return False
    try:
        parse(text)
    except ValueError:
        return False
    return True


StoredType = ColumnType | Literal["binary"]


class StoredColumn(BaseModel):
    """A column as it stands in a Delta table."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: StoredType
    nullable: bool = True
    description: str = ""
    pii: bool = False


def stored(column: Column) -> StoredColumn:
    """``column`` as it stands in a table."""
    return StoredColumn(
        name=column.name,
        type=column.type,
        nullable=not column.required,
        description=column.description,
        pii=column.pii,
    )


#: Where a row came from. With these a table itself tells which offsets it holds.
COORDINATES = (
    StoredColumn(name="kafka_topic", type=ColumnType.STRING, description="Topic the event was read from"),
    StoredColumn(name="kafka_partition", type=ColumnType.INT, description="Partition of the topic"),
    StoredColumn(name="kafka_offset", type=ColumnType.BIGINT, description="Offset in the partition"),
    StoredColumn(name="kafka_timestamp", type=ColumnType.TIMESTAMP, description="When the broker took the event, UTC"),
    StoredColumn(name="ingested_at", type=ColumnType.TIMESTAMP, description="When the writer read the event, UTC"),
)

#: What a rejected row keeps beside its coordinates.
REJECTED = (
    StoredColumn(name="raw_key", type="binary", description="Key of the message, untouched"),
    StoredColumn(name="raw_value", type="binary", description="Value of the message, untouched"),
    StoredColumn(name="reason", type=ColumnType.STRING, description="`code: detail` of the first rule it broke"),
)

RESERVED = frozenset(column.name for column in (*COORDINATES, *REJECTED))
