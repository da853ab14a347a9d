"""The columns of a streaming table: those the contract declares and those the platform adds."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

IDENTIFIER = r"^[a-z][a-z0-9_]*$"


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


class Column(BaseModel):
    """One column. A value that the declared type or range cannot hold makes the row invalid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=IDENTIFIER, description="Column name, and the JSON field it is read from")]
    type: ColumnType = Field(description="Timestamps are ISO 8601 with seconds; UTC where no offset is given")
    required: bool = Field(default=False, description="A row without a value is invalid")
    description: str = Field(default="", description="What the value means and its unit")
    pii: bool = Field(default=False, description="Personal data: shown as a tag in the catalogue")
    minimum: float | None = Field(default=None, description="Smallest valid value, of a number")
    maximum: float | None = Field(default=None, description="Largest valid value, of a number")
    default: str | int | float | bool | None = Field(
        default=None, description="Value where the field is absent or null"
    )
    default_from: str | None = Field(default=None, description="Column to copy where the field is absent or null")

    @model_validator(mode="after")
    def _consistent(self) -> "Column":
        ranged = self.minimum is not None or self.maximum is not None
        if ranged and self.type not in NUMERIC:
            raise ValueError(f"minimum and maximum go with a numeric type, not with {self.type.value!r}")
        if self.default is not None and self.default_from is not None:
            raise ValueError("default and default_from exclude each other: keep one")
        if self.required and (self.default is not None or self.default_from is not None):
            raise ValueError("a required column has no default: drop required, or drop the default")
        if self.default is not None and not isinstance(self.default, _PYTHON_TYPES[self.type]):
            raise ValueError(f"default {self.default!r} is not a {self.type.value}")
        return self


_PYTHON_TYPES: dict[ColumnType, type | tuple[type, ...]] = {
    ColumnType.STRING: str,
    ColumnType.BOOLEAN: bool,
    ColumnType.INT: int,
    ColumnType.BIGINT: int,
    ColumnType.DOUBLE: (int, float),
    ColumnType.DATE: str,
    ColumnType.TIMESTAMP: str,
}

StoredType = ColumnType | Literal["binary"]


class StoredColumn(BaseModel):
    """A column as it stands in a Delta table."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: StoredType
    nullable: bool = True
    description: str = ""
    pii: bool = False


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
