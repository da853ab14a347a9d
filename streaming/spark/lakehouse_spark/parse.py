"""Kafka messages to typed rows, by the contract alone; what does not fit says why.

The JSON type of a field has to be its column's type: nothing is coerced, so that Spark and Flink make the same rows of
the same messages. Spark's own reader is more lenient than that in a few places, each tightened below.
"""

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.contracts.columns import INTEGERS, ISO_DATE, ISO_TIMESTAMP, NUMERIC, ColumnType
from lakehouse.contracts.columns import Column as ContractColumn
from lakehouse.contracts.model import Contract

_CORRUPT = "_corrupt"
_JSON_OPTIONS = {
    "mode": "PERMISSIVE",
    "columnNameOfCorruptRecord": _CORRUPT,
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",
}
#: A timestamp is read as text first: Spark would take epoch numbers, bare years and times of today.
_READ_AS_TEXT = frozenset({ColumnType.STRING, ColumnType.TIMESTAMP, ColumnType.DATE})
#: What Spark calls the JSON types that a column accepts. Other columns are read as text and judged by their value.
_ACCEPTED = {
    ColumnType.BOOLEAN: "^BOOLEAN$",
    ColumnType.INT: r"^(BIGINT|DECIMAL\(\d+,0\))$",
    ColumnType.BIGINT: r"^(BIGINT|DECIMAL\(\d+,0\))$",
    ColumnType.DOUBLE: "^(BIGINT|DOUBLE|DECIMAL.*)$",
}


def parse_events(messages: DataFrame, contract: Contract) -> DataFrame:
    """Rows of the contract's table and of its quarantine table, in one frame.

    ``messages`` has the columns of Spark's Kafka source (key, value, topic, partition, offset, timestamp). The result
    has the columns of both tables but ``ingested_at``, which the sink adds: the time is a constant of each batch, and
    a constant here would have Spark compile all of this anew for every batch. ``reason`` is NULL for a good row, and
    only then are ``raw_key`` and ``raw_value`` NULL too. Streaming and batch frames both work: replay runs this very
    function.
    """
    text = F.col("value").cast("string")
    parsed = messages.select(
        F.col("topic").alias("kafka_topic"),
        F.col("partition").alias("kafka_partition"),
        F.col("offset").alias("kafka_offset"),
        F.col("timestamp").alias("kafka_timestamp"),
        # A contract's own columns begin with a letter: they may be called `key`, `value` or `json`.
        F.col("key").alias("_key"),
        F.col("value").alias("_value"),
        F.from_json(text, _json_schema(contract), _JSON_OPTIONS).alias("_json"),
    )
    typed = parsed.select("*", *(_typed(column).alias(column.name) for column in contract.columns))
    judged = typed.select("*", _reason(contract).alias("reason"))
    rejected = F.col("reason").isNotNull()
    return judged.select(
        *(_with_default(column, contract).alias(column.name) for column in contract.columns),
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "kafka_timestamp",
        F.when(rejected, F.col("_key")).alias("raw_key"),
        F.when(rejected, F.col("_value")).alias("raw_value"),
        "reason",
    )


def _json_schema(contract: Contract) -> str:
    fields = [
        f"`{column.name}` {'string' if column.type in _READ_AS_TEXT else column.type.value}"
        for column in contract.columns
    ]
    return ", ".join([*fields, f"`{_CORRUPT}` string"])


def _typed(column: ContractColumn) -> Column:
    field = F.col(f"_json.{column.name}")
    if column.type is ColumnType.TIMESTAMP:
        # Spark would also take bare years, times of today, `T1:2:3` and `12:00:00 Europe/Paris`. The usual shapes spare
        # a regular expression.
        usual = field.like("____-__-__T__:__:__Z") | field.like("____-__-__T__:__:__.___Z")
        return F.when(usual | field.rlike(rf"^{ISO_TIMESTAMP}\z"), field.try_cast("timestamp"))
    if column.type is ColumnType.DATE:
        return F.when(field.rlike(rf"^{ISO_DATE}\z"), field.try_cast("date"))
    return field


def _with_default(column: ContractColumn, contract: Contract) -> Column:
    value = F.col(column.name)
    if column.default_from is not None:
        return F.coalesce(value, _with_default(contract.column(column.default_from), contract))
    if column.default is not None:
        return F.coalesce(value, F.lit(column.default).cast(column.type.value))
    return value


@dataclass(frozen=True)
class _Rule:
    broken: Column
    reason: Column


def _reason(contract: Contract) -> Column:
    """The first rule a message breaks, as `code: detail`; NULL for a good one. Cheap rules stand before dear ones."""
    rules = [*_message_rules(contract), *(rule for column in contract.columns for rule in _column_rules(column))]
    reason: Column = F.when(rules[0].broken, rules[0].reason)
    for rule in rules[1:]:
        reason = reason.when(rule.broken, rule.reason)
    return reason


def _message_rules(contract: Contract) -> list[_Rule]:
    value, text = F.col("_value"), F.col("_value").cast("string")
    corrupt = F.col(f"_json.{_CORRUPT}").isNotNull()
    # Spark stops at the end of the first object. Where something stands behind a brace, reading the whole as the only
    # element of an array and as the only member of an object tells whether it ends there: what could close the one
    # early cannot close the other.
    more = text.rlike(r"\}[ \t\r\n]*[^ \t\r\n]")
    element = F.from_json(F.concat(F.lit("["), text, F.lit("]")), "array<variant>")
    member = F.try_parse_json(F.concat(F.lit('{"":'), text, F.lit("}")))
    alone = F.coalesce((F.size(element) == 1) & member.isNotNull(), F.lit(False))
    typed = [column for column in contract.columns if column.type in _ACCEPTED]
    return [
        _Rule(value.isNull(), F.lit("null_value: the message has no value")),
        _Rule(~text.rlike(r"\S"), F.lit("empty_value: the message is empty")),
        _Rule(~F.expr("is_valid_utf8(_value)"), F.lit("not_utf8: the value is not valid UTF-8")),
        _Rule(corrupt & F.try_parse_json(text).isNull(), F.lit("invalid_json: not JSON")),
        _Rule(corrupt & ~F.ltrim(text).startswith("{"), F.lit("invalid_json: not a JSON object")),
        _Rule(more & ~alone, F.lit("invalid_json: more than one JSON value")),
        *(_Rule(corrupt & ~_json_type(c).rlike(f"^VOID$|{_ACCEPTED[c.type]}"), _mistyped(c)) for c in typed),
        *(_Rule(corrupt & _has_fraction(c), _mistyped(c)) for c in typed if c.type in INTEGERS),
        *(_Rule(corrupt & (_json_type(c) != "VOID") & F.col(c.name).isNull(), _too_large(c)) for c in typed),
        _Rule(corrupt, F.lit("invalid_json: does not fit the contract's columns")),
    ]


def _column_rules(column: ContractColumn) -> list[_Rule]:
    field, value = F.col(f"_json.{column.name}"), F.col(column.name)
    rules = []
    if column.type is ColumnType.STRING:
        # Spark renders any JSON value as text. Only text that could be such a rendering is worth a second look; its
        # first character tells at a tenth of a regular expression's price.
        first = F.ascii(field)
        # A number too large for a double is rendered in quotes.
        number = first.between(ord("-"), ord("9")) & field.rlike(r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$")
        suspect = number | first.isin(ord("{"), ord("["), ord('"')) | field.isin("true", "false")
        rules.append(_Rule(suspect & (_json_type(column) != "STRING"), _mistyped(column)))
    elif column.type in _READ_AS_TEXT:
        code = F.lit(f"invalid_{column.type.value}: {column.name} is ")
        rules.append(_Rule(field.isNotNull() & value.isNull(), F.concat(code, _json_text(column))))
    if column.required:
        rules.append(_Rule(value.isNull(), F.lit(f"missing_required: {column.name}")))
    if column.type is ColumnType.DOUBLE:
        rules.append(
            _Rule(value.isin(float("inf"), float("-inf")) | F.isnan(value), _beyond(column, "no finite number"))
        )
    if column.type in NUMERIC and column.minimum is not None:
        rules.append(_Rule(value < F.lit(column.minimum), _beyond(column, f"below {column.minimum}")))
    if column.type in NUMERIC and column.maximum is not None:
        rules.append(_Rule(value > F.lit(column.maximum), _beyond(column, f"above {column.maximum}")))
    return rules


def _json_text(column: ContractColumn) -> Column:
    # Never NULL: a reason that is NULL would call the row good.
    return F.expr(
        f"coalesce(left(to_json(try_variant_get(try_parse_json(cast(_value as string)), '$.{column.name}')), 100), '?')"
    )


def _json_type(column: ContractColumn) -> Column:
    path = f"try_variant_get(try_parse_json(cast(_value as string)), '$.{column.name}', 'variant')"
    return F.expr(f"schema_of_variant({path})")


def _has_fraction(column: ContractColumn) -> Column:
    """Whether the number is written `5.0` or `5e0`, which a variant no longer tells from `5`."""
    return F.get_json_object(F.col("_value").cast("string"), f"$.{column.name}").rlike("^-?[0-9]+[.eE]")


def _mistyped(column: ContractColumn) -> Column:
    return F.concat(F.lit(f"wrong_type: {column.name} should be {column.type.value}, is "), _json_text(column))


def _too_large(column: ContractColumn) -> Column:
    return F.concat(F.lit(f"out_of_range: {column.name} does not fit {column.type.value}: "), _json_text(column))


def _beyond(column: ContractColumn, bound: str) -> Column:
    return F.concat(F.lit(f"out_of_range: {column.name} is {bound}: "), F.col(column.name).cast("string"))
