"""What becomes of a Kafka message: a row of the contract's table, or a quarantine row that says why."""

import json
import random
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from lakehouse.contracts import ColumnType, Contract, find_contract
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.faults import MalformedKind
from lakehouse.generator.stream import OrderGenerator
from lakehouse_spark.parse import parse_events
from tests.contracts import visits_contract

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BROKER_TIME = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
MESSAGE = "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp"
ORDERS = find_contract(Path(__file__).parents[2] / "streaming" / "contracts", "raw.orders")


def contract(*columns: dict[str, object]) -> Contract:
    """A contract with a required `at` and ``columns``."""
    return visits_contract([*columns, {"name": "at", "type": "timestamp", "required": True}])


VISITS = contract(
    {"name": "id", "type": "string", "required": True},
    {"name": "text", "type": "string"},
    {"name": "long", "type": "bigint"},
    {"name": "number", "type": "int"},
    {"name": "share", "type": "double"},
    {"name": "member", "type": "boolean"},
    {"name": "day", "type": "date"},
    {"name": "until", "type": "timestamp"},
    {"name": "pages", "type": "int", "minimum": 1, "maximum": 100},
    {"name": "credit", "type": "bigint", "maximum": 9007199254740992},
    {"name": "country", "type": "string", "default": "NL"},
    {"name": "score", "type": "double", "default": 0.5, "minimum": 0, "maximum": 1},
    {"name": "seen", "type": "timestamp", "default_from": "at"},
    {"name": "notified", "type": "timestamp", "default_from": "seen"},
)
AT = "2026-01-01T10:11:12Z"
AT_TIME = datetime(2026, 1, 1, 10, 11, 12, tzinfo=UTC)


def parse(spark: SparkSession, of: Contract, values: Sequence[bytes | None]) -> list[dict[str, Any]]:
    """The parsed rows of ``values``, in their order; dates and times as Python's own, in UTC."""
    messages = [
        (f"key-{offset}".encode(), value, "visits", offset % 3, offset, BROKER_TIME)
        for offset, value in enumerate(values)
    ]
    # The exchange keeps the optimizer from evaluating everything itself, by other code than a stream's.
    rows = parse_events(spark.createDataFrame(messages, MESSAGE).repartition(2), of)
    for name, kind in rows.dtypes:
        if kind == "timestamp":
            rows = rows.withColumn(name, F.unix_micros(name))
        if kind == "date":
            rows = rows.withColumn(name, F.col(name).cast("string"))
    found = [row.asDict() for row in rows.orderBy("kafka_offset").collect()]
    kinds = dict(parse_events(spark.createDataFrame([], MESSAGE), of).dtypes)
    for row in found:
        for name, kind in kinds.items():
            if row[name] is not None and kind == "timestamp":
                row[name] = EPOCH + timedelta(microseconds=row[name])
            if row[name] is not None and kind == "date":
                row[name] = date.fromisoformat(row[name])
            if isinstance(row[name], bytearray):
                row[name] = bytes(row[name])
    assert len(found) == len(values)
    return found


def event(**fields: object) -> bytes:
    """A valid message with ``fields`` on top."""
    return json.dumps({"id": "v-1", "at": AT, **fields}).encode()


def raw(text: str) -> bytes:
    """A message that is valid up to its last brace, then ``text``."""
    return event()[:-1] + text.encode()


#: What the case is → (message, how its reason begins).
REJECTED: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "null_value: "),
    "an empty value": (b"", "empty_value: "),
    "a blank value": (b" \t\r\n", "empty_value: "),
    "a byte that is no UTF-8": (b"\xff", "not_utf8: "),
    "no UTF-8 within a string": (event(text="@").replace(b"@", b"\xc3"), "not_utf8: "),
    "no UTF-8 within an extra field": (event(extra="@").replace(b"@", b"\xed\xa0\x80"), "not_utf8: "),
    "an overlong encoding": (event(text="@").replace(b"@", b"\xc0\xaf"), "not_utf8: "),
    "UTF-16": (event().decode().encode("utf-16-le"), "invalid_json: "),
    "a byte order mark": (b"\xef\xbb\xbf" + event(), "invalid_json: "),
    "plain text": (b"hello", "invalid_json: "),
    "single quotes": (event().replace(b'"', b"'"), "invalid_json: "),
    "unquoted names": (event().replace(b'"id"', b"id"), "invalid_json: "),
    "a missing colon": (event().replace(b":", b"=", 1), "invalid_json: "),
    "a comma too many": (raw(",}"), "invalid_json: "),
    "a comma too many in an extra list": (raw(',"extra":[1,]}'), "invalid_json: "),
    "a comment": (b"// visit\n" + event(), "invalid_json: "),
    "an unknown escape": (raw(r',"text":"\q"}'), "invalid_json: "),
    "the first half of a surrogate pair": (raw(r',"text":"\ud83d"}'), "lone_surrogate: "),
    "the second half of a surrogate pair": (raw(r',"text":"a\uDE00b"}'), "lone_surrogate: "),
    "the halves of a surrogate pair exchanged": (raw(r',"text":"\ude00\ud83d"}'), "lone_surrogate: "),
    "a first half before a whole pair": (raw(r',"text":"\ud83d\ud83d\ude00"}'), "lone_surrogate: "),
    "a second half behind an escaped backslash": (raw(r',"text":"\\ud83d\ude00"}'), "lone_surrogate: "),
    "a first half before another escape": (raw(r',"text":"\ud83d\n"}'), "lone_surrogate: "),
    "half a surrogate pair in an extra field": (raw(r',"extra":["\ud83d"]}'), "lone_surrogate: "),
    "half a surrogate pair in a name": (raw(r',"\ud83d":1}'), "lone_surrogate: "),
    "a raw newline in a string": (raw(',"text":"a\nb"}'), "invalid_json: "),
    "a word that is no JSON in an extra field": (raw(',"extra":nul}'), "invalid_json: "),
    "leading zeros": (raw(',"long":007}'), "invalid_json: "),
    "a plus sign": (raw(',"long":+7}'), "invalid_json: "),
    "no digit before the point": (raw(',"share":.5}'), "invalid_json: "),
    "NaN": (raw(',"share":NaN}'), "invalid_json: "),
    "Infinity": (raw(',"share":Infinity}'), "invalid_json: "),
    "-Infinity": (raw(',"share":-Infinity}'), "invalid_json: "),
    "truncated behind a field": (event(text="x")[:-1], "invalid_json: "),
    "truncated in a string": (event()[:-3], "invalid_json: "),
    "truncated after a wrong type": (raw(',"long":5.5,"extra":{"a":1}'), "invalid_json: "),
    "only a brace": (b"{", "invalid_json: "),
    "trailing garbage": (raw("} x"), "invalid_json: "),
    "a trailing brace": (raw("}}"), "invalid_json: "),
    "a trailing bracket": (raw("}]"), "invalid_json: "),
    "a trailing bracket and garbage": (raw("}]x"), "invalid_json: "),
    "a trailing bracket and brace": (raw("}]}"), "invalid_json: "),
    "a trailing brace and bracket": (raw("}}]"), "invalid_json: "),
    "a trailing comma": (raw("},"), "invalid_json: "),
    "a trailing NUL": (raw("}\0"), "invalid_json: "),
    "a trailing form feed": (raw("}\f"), "invalid_json: "),
    "a trailing no-break space": (raw("}\u00a0"), "invalid_json: "),
    "two objects": (raw("}") + event(), "invalid_json: "),
    "two objects on two lines": (raw("}\n") + event(), "invalid_json: "),
    "two objects and a comma": (raw("},") + event(), "invalid_json: "),
    "an array": (b"[" + event() + b"]", "invalid_json: "),
    "an empty array": (b"[]", "invalid_json: "),
    "a number": (b"42", "invalid_json: "),
    "a string": (b'"v-1"', "invalid_json: "),
    "a boolean": (b"true", "invalid_json: "),
    "null": (b"null", "invalid_json: "),
    "an empty object": (b"{}", "missing_required: id"),
    "a missing required string": (b'{"at":"%s"}' % AT.encode(), "missing_required: id"),
    "a missing required timestamp": (b'{"id":"v-1"}', "missing_required: at"),
    "a required field in capitals": (b'{"ID":"v-1","at":"%s"}' % AT.encode(), "missing_required: id"),
    "a required string that is null": (event(id=None), "missing_required: id"),
    "a required timestamp that is null": (event(at=None), "missing_required: at"),
    "a required field that is null at last": (raw(',"id":null}'), "missing_required: id"),
    **{
        f"{json.dumps(value)} for a {name}": (event(**{column: value}), f"wrong_type: {column} should be {name}, is ")
        for name, column, values in (
            ("string", "text", (5, -5, 5.5, 0, 1e30, True, False, {}, {"a": 1}, [], ["x"])),
            ("bigint", "long", ("5", "", "x", 5.5, 5.0, 1e3, True, {}, {"a": 1}, [], [5])),
            ("int", "number", ("5", 5.5, 5.0, False, {}, [5])),
            ("double", "share", ("5", "0.5", "NaN", "Infinity", "-Infinity", True, {}, [0.5])),
            ("boolean", "member", ("true", "", 0, 1, 0.0, {}, [True])),
        )
        for value in values
    },
    "a number too large for a double as a string": (raw(',"text":1e400}'), "wrong_type: text should be string"),
    "a number for a required string": (event(id=5), "wrong_type: id should be string, is 5"),
    "a double written with an exponent for a bigint": (raw(',"long":1e3}'), "wrong_type: long should be bigint"),
    "one above the largest bigint": (event(long=2**63), "out_of_range: long"),
    "one below the smallest bigint": (event(long=-(2**63) - 1), "out_of_range: long"),
    "far above the largest bigint": (event(long=10**30), "out_of_range: long"),
    "one above the largest int": (event(number=2**31), "out_of_range: number"),
    "one below the smallest int": (event(number=-(2**31) - 1), "out_of_range: number"),
    "above the largest double": (raw(',"share":1e400}'), "out_of_range: share"),
    "below the smallest double": (raw(',"share":-1e400}'), "out_of_range: share"),
    "below the minimum": (event(pages=0), "out_of_range: pages is below 1: 0"),
    "above the maximum": (event(pages=101), "out_of_range: pages is above 100: 101"),
    "above a maximum beyond a double's integers": (event(credit=2**53 + 1), "out_of_range: credit is above"),
    "below the minimum of a double": (event(score=-0.001), "out_of_range: score is below 0"),
    "above the maximum of a double": (event(score=1.001), "out_of_range: score is above 1"),
    **{
        f"{json.dumps(value)} for a timestamp": (event(at=value), "invalid_timestamp: at is ")
        for value in (
            "",
            "yesterday",
            "now",
            "epoch",
            "2026",
            "2026-01",
            "2026-01-01",
            "10:11:12",
            "T10:11:12",
            "2026-01-01T10:11",
            "2026-01-01T10:11Z",
            "2026-01-01T10:11+02:00",
            "2026-13-01T10:11:12Z",
            "2026-02-30T10:11:12Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T25:11:12Z",
            "2026-01-01T10:60:12Z",
            "2026-01-01T10:11:60Z",
            "2026-1-1T10:11:12.000Z",
            "2026-01-01T1:1:1.0000",
            "2026-01-01T10:11:1.0000Z",
            "12026-01-01T10:11:12Z",
            "12026-1-01T10:11:12Z",
            "2026-01-01T10:11:12.Z",
            "2026-01-01T10:11:12 ",
            "2026-01-01T10:11:12Z\n",
            " 2026-01-01T10:11:12Z",
            "2026-01-01T10:11:12 Europe/Paris",
            "2026-01-01T10:11:12 UTC",
            "2026-01-01T10:11:12GMT+2",
            "2026-01-01T10:11:12+2:00",
            "2026-01-01T10:11:12+25:00",
            "2026-01-01t10:11:12z",
            "9999-12-31T23:30:00-01:00",
            "0001-01-01T00:30:00+01:00",
            "２026-01-01T10:11:12",  # noqa: RUF001  (a full-width digit)
            1767225600,
            1767225600000,
            1767225600.5,
            2026,
            True,
            {"seconds": 1767225600},
            [AT],
        )
    },
    "an invalid optional timestamp": (event(until="soon"), 'invalid_timestamp: until is "soon"'),
    "a number for a timestamp with a default": (event(seen=1767225600), "invalid_timestamp: seen is 1767225600"),
    **{
        f"{json.dumps(value)} for a date": (event(day=value), "invalid_date: day is ")
        for value in (
            "",
            "today",
            "2026",
            "2026-01",
            "2026-1-1",
            "2026-02-30",
            "2026-13-01",
            "2026-1-1T0",
            "2026-01-1 ",
            "2026-01   ",
            "12026-1-01",
            "01.02.2026",
            AT,
            20260101,
            1767225600,
            20454,
            False,
            {"year": 2026},
            ["2026-01-01"],
        )
    },
}

#: What the case is → (message, some of the values of its row).
ACCEPTED: dict[str, tuple[bytes, dict[str, object]]] = {
    "required fields alone": (event(), {"id": "v-1", "at": AT_TIME, "text": None, "long": None, "day": None}),
    "another order of fields": (b'{"at":"%s","id":"v-1"}' % AT.encode(), {"id": "v-1", "at": AT_TIME}),
    "extra fields": (event(extra=1, more="x", none=None), {"id": "v-1"}),
    "extra objects": (event(extra={"id": "other", "at": {"deep": [{"x": "}"}]}}), {"id": "v-1", "at": AT_TIME}),
    "an extra field with an empty name": (raw(',"":1}'), {"id": "v-1"}),
    "an extra field named as Spark's own": (event(_corrupt="x", value="y", reason="z"), {"id": "v-1"}),
    "an extra number beyond every type": (raw(f',"extra":[1e400,{10**60}]}}'), {"id": "v-1"}),
    "a field in capitals beside the real one": (event(TEXT="other", text="x"), {"text": "x"}),
    "an object nested 500 deep": (raw(f',"extra":{"[" * 500}{"]" * 500}}}'), {"id": "v-1"}),
    "white space before and behind": (b" \r\n\t" + event() + b" \r\n\t\n", {"id": "v-1"}),
    "white space within": (b'{ "id" :\t"v-1" ,\r\n"at"\n: "%s" }' % AT.encode(), {"id": "v-1", "at": AT_TIME}),
    "a name given twice": (raw(',"id":"v-2"}'), {"id": "v-2"}),
    "escapes": (raw(r',"text":"a\"b\\c\/d\n\té\ud83d\ude00\u0000"}'), {"text": 'a"b\\c/d\n\té😀\0'}),
    "surrogate pairs in a row": (raw(r',"text":"\uD83D\uDE00\ud83d\ude00"}'), {"text": "😀😀"}),
    "an escaped backslash before the letters of a surrogate": (raw(r',"text":"\\ud83d"}'), {"text": r"\ud83d"}),
    "an escaped backslash before a surrogate pair": (raw(r',"text":"\\\ud83d\ude00"}'), {"text": "\\😀"}),
    "many escapes": (event(text="é\\😀" * 2000), {"text": "é\\😀" * 2000}),
    "an escape in a name": (raw(r',"t\u0065xt":"x"}'), {"text": "x"}),
    "unicode": (raw(',"text":"Zürich 東京 😀"}'), {"text": "Zürich 東京 😀"}),
    "braces in a string": (event(text='}{"}] [x'), {"text": '}{"}] [x'}),
    "a brace and bracket in an extra string": (event(extra={"a": "}]"}), {"id": "v-1"}),
    "JSON in a string": (event(text='{"a": [1]}'), {"text": '{"a": [1]}'}),
    "an empty string": (event(text=""), {"text": ""}),
    "a string of blanks": (event(text="  "), {"text": "  "}),
    **{
        f"a string that looks like {text}": (event(id=text), {"id": text})
        for text in ("5", "007", "-1", "1e5", "0.5", "true", "false", "null", "NaN", "[]", "{}", '"Infinity"', "/x", AT)
    },
    "the largest bigint": (event(long=2**63 - 1), {"long": 2**63 - 1}),
    "the smallest bigint": (event(long=-(2**63)), {"long": -(2**63)}),
    "minus zero": (raw(',"long":-0}'), {"long": 0}),
    "the largest int": (event(number=2**31 - 1), {"number": 2**31 - 1}),
    "the smallest int": (event(number=-(2**31)), {"number": -(2**31)}),
    "an integer for a double": (event(share=5), {"share": 5.0}),
    "a long integer for a double": (event(share=10**44), {"share": 1e44}),
    "an exponent for a double": (raw(',"share":-1.5E-3}'), {"share": -0.0015}),
    "a boolean": (event(member=False), {"member": False}),
    "the minimum": (event(pages=1), {"pages": 1}),
    "the maximum": (event(pages=100), {"pages": 100}),
    "a maximum beyond a double's integers": (event(credit=2**53), {"credit": 2**53}),
    "a date": (event(day="2026-02-28"), {"day": date(2026, 2, 28)}),
    "a leap day": (event(day="2024-02-29"), {"day": date(2024, 2, 29)}),
    **{
        f"the timestamp {text}": (event(until=text), {"until": time})
        for text, time in (
            ("2026-01-01T10:11:12", AT_TIME),
            ("2026-01-01 10:11:12", AT_TIME),
            ("2026-01-01T10:11:12Z", AT_TIME),
            ("2026-01-01 10:11:12.5Z", AT_TIME + timedelta(milliseconds=500)),
            ("2026-01-01T10:11:12.123Z", AT_TIME + timedelta(milliseconds=123)),
            ("2026-01-01T10:11:12.123456", AT_TIME + timedelta(microseconds=123456)),
            ("2026-01-01T10:11:12.123456789Z", AT_TIME + timedelta(microseconds=123456)),
            ("2026-01-01T12:11:12+02:00", AT_TIME),
            ("2026-01-01T12:11:12+0200", AT_TIME),
            ("2026-01-01T12:11:12+02", AT_TIME),
            ("2026-01-01T04:41:12.000-05:30", AT_TIME),
            ("2025-12-31T23:11:12-11:00", AT_TIME),
            ("1969-12-31T23:59:59.999Z", EPOCH - timedelta(milliseconds=1)),
            ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        )
    },
    "defaults of absent fields": (event(), {"country": "NL", "score": 0.5, "seen": AT_TIME}),
    "defaults of null fields": (
        event(country=None, score=None, seen=None),
        {"country": "NL", "score": 0.5, "seen": AT_TIME},
    ),
    "no default for a value": (
        event(country="", score=0, seen="2026-01-01T00:00:00Z"),
        {"country": "", "score": 0.0, "seen": datetime(2026, 1, 1, tzinfo=UTC)},
    ),
    "a default copied from a default": (event(), {"notified": AT_TIME}),
    "a default copied from a value": (
        event(seen="2026-01-01T00:00:00Z"),
        {"notified": datetime(2026, 1, 1, tzinfo=UTC)},
    ),
}


@pytest.fixture(scope="module")
def rejected(spark: SparkSession) -> dict[str, dict[str, Any]]:
    """The rows of REJECTED, parsed as one frame."""
    return dict(zip(REJECTED, parse(spark, VISITS, [value for value, _ in REJECTED.values()]), strict=True))


@pytest.fixture(scope="module")
def accepted(spark: SparkSession) -> dict[str, dict[str, Any]]:
    """The rows of ACCEPTED, parsed as one frame."""
    return dict(zip(ACCEPTED, parse(spark, VISITS, [value for value, _ in ACCEPTED.values()]), strict=True))


@pytest.mark.parametrize("case", REJECTED)
def test_is_rejected_with_its_reason(rejected: dict[str, dict[str, Any]], case: str) -> None:
    reason = rejected[case]["reason"]
    assert reason is not None, "was accepted"
    assert reason.startswith(REJECTED[case][1])


@pytest.mark.parametrize("case", ACCEPTED)
def test_is_accepted_with_its_values(accepted: dict[str, dict[str, Any]], case: str) -> None:
    row, expected = accepted[case], ACCEPTED[case][1]
    assert row["reason"] is None
    assert {name: row[name] for name in expected} == expected


def test_a_rejected_row_keeps_the_raw_bytes_untouched(rejected: dict[str, dict[str, Any]]) -> None:
    for offset, (case, row) in enumerate(rejected.items()):
        assert (row["raw_key"], row["raw_value"]) == (f"key-{offset}".encode(), REJECTED[case][0])


def test_a_good_row_keeps_no_raw_bytes(accepted: dict[str, dict[str, Any]]) -> None:
    assert {(row["raw_key"], row["raw_value"]) for row in accepted.values()} == {(None, None)}


def test_each_row_keeps_its_coordinates(
    accepted: dict[str, dict[str, Any]], rejected: dict[str, dict[str, Any]]
) -> None:
    for rows in (accepted.values(), rejected.values()):
        for offset, row in enumerate(rows):
            found = tuple(row[f"kafka_{name}"] for name in ("topic", "partition", "offset", "timestamp"))
            assert found == ("visits", offset % 3, offset, BROKER_TIME)


def test_the_frame_has_the_columns_of_both_tables_with_their_types(spark: SparkSession) -> None:
    kinds = dict(parse_events(spark.createDataFrame([], MESSAGE), VISITS).dtypes)
    stored = {column.name: column.type for column in (*VISITS.stored_columns(), *VISITS.rejected_columns())}
    assert kinds == {name: str(kind) for name, kind in stored.items() if name != "ingested_at"}


def test_a_message_without_key_or_time_is_kept_as_it_is(spark: SparkSession) -> None:
    messages = spark.createDataFrame(
        [(None, event(), "visits", 0, 0, None), (None, b"x", "visits", 0, 1, None)], MESSAGE
    )
    good, bad = parse_events(messages, VISITS).orderBy("kafka_offset").collect()
    assert (good.reason, good.kafka_timestamp) == (None, None)
    assert (bad.raw_key, bytes(bad.raw_value), bad.kafka_timestamp) == (None, b"x", None)


def test_a_long_value_is_cut_in_the_reason_only(spark: SparkSession) -> None:
    value = event(long="x" * 5000)
    (row,) = parse(spark, VISITS, [value])
    assert len(row["reason"]) < 200
    assert row["raw_value"] == value


NAMES = ("key", "value", "json", "topic", "partition", "offset", "timestamp", "order", "select", "kafka", "text")


def test_a_column_may_have_any_name_that_a_contract_takes(spark: SparkSession) -> None:
    of = contract(*({"name": name, "type": "string", "required": True} for name in NAMES))
    fields = {name: f"the {name}" for name in NAMES}
    good, bad = parse(spark, of, [event(**fields), event(**{**fields, "value": 1})])
    assert {name: good[name] for name in NAMES} == fields
    assert good["reason"] is None
    assert bad["reason"] == "wrong_type: value should be string, is 1"


CODES = {
    MalformedKind.BAD_JSON: "invalid_json",
    MalformedKind.TRUNCATED_JSON: "invalid_json",
    MalformedKind.JSON_ARRAY: "invalid_json",
    MalformedKind.JSON_SCALAR: "invalid_json",
    MalformedKind.NOT_UTF8: "not_utf8",
    MalformedKind.EMPTY_VALUE: "empty_value",
    MalformedKind.NULL_VALUE: "null_value",
    MalformedKind.MISSING_FIELD: "missing_required",
    MalformedKind.NULL_FIELD: "missing_required",
    MalformedKind.WRONG_TYPE: "wrong_type",
    MalformedKind.NEGATIVE_AMOUNT: "out_of_range",
    MalformedKind.AMOUNT_OVERFLOW: "out_of_range",
    MalformedKind.BAD_TIMESTAMP: "invalid_timestamp",
}


def test_generated_orders_become_the_rows_they_stand_for_and_malformed_ones_none(spark: SparkSession) -> None:
    config = GeneratorConfig(events=2000, late=0.1, duplicates=0.1, malformed=0.3, seed=7)
    chunks = list(OrderGenerator(config).chunks())
    values = [value for chunk in chunks for value in chunk.values]
    sent = pa.concat_tables([chunk.sent() for chunk in chunks]).to_pylist()
    assert {message["kind"] for message in sent} >= set(MalformedKind)
    for row, value, expected in zip(parse(spark, ORDERS, values), values, sent, strict=True):
        if expected["valid"]:
            assert row["reason"] is None, value
            assert {c.name: row[c.name] for c in ORDERS.columns} == {c.name: expected[c.name] for c in ORDERS.columns}
        else:
            assert row["reason"] is not None, value
            assert row["reason"].partition(": ")[0] == CODES[expected["kind"]], value
            assert row["raw_value"] == value


class Oracle:
    """Decides about a message by Python's json and the text of the contract, not by any code of the project."""

    DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
    TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d(:?\d\d)?)?", re.ASCII)

    def row(self, value: bytes | None) -> dict[str, object] | None:
        """The row of a good message, None for a bad one."""
        try:
            found = json.loads((value or b"").decode("utf-8"), parse_constant=self._refuse)
            if not isinstance(found, dict):
                return None
            # JSON may name half a character, and UTF-8 has none.
            json.dumps(found, ensure_ascii=False).encode("utf-8")
            row = {column.name: self._typed(column.type, found.get(column.name)) for column in VISITS.columns}
            if any(column.required and row[column.name] is None for column in VISITS.columns):
                return None
            for column in VISITS.columns:
                number = row[column.name]
                if isinstance(number, int | float) and not isinstance(number, bool):
                    self._require(column.minimum is None or number >= column.minimum)
                    self._require(column.maximum is None or number <= column.maximum)
        except (ValueError, OverflowError):
            return None
        row["country"] = "NL" if row["country"] is None else row["country"]
        row["score"] = 0.5 if row["score"] is None else row["score"]
        row["seen"] = row["at"] if row["seen"] is None else row["seen"]
        row["notified"] = row["seen"] if row["notified"] is None else row["notified"]
        return row

    def _typed(self, kind: ColumnType, value: Any) -> object:
        if value is None:
            return None
        match kind:
            case ColumnType.STRING:
                self._require(isinstance(value, str))
            case ColumnType.BOOLEAN:
                self._require(isinstance(value, bool))
            case ColumnType.DOUBLE:
                self._require(type(value) in (int, float))
                value = float(value)
                self._require(abs(value) < float("inf"))
            case ColumnType.DATE:
                self._require(isinstance(value, str) and self.DATE.fullmatch(value) is not None)
                value = date.fromisoformat(value)
            case ColumnType.TIMESTAMP:
                self._require(isinstance(value, str) and self.TIMESTAMP.fullmatch(value) is not None)
                time = datetime.fromisoformat(value)
                time = time if time.tzinfo else time.replace(tzinfo=UTC)
                self._require(abs(time.utcoffset() or timedelta()) <= timedelta(hours=18))
                value = time.astimezone(UTC)
            case _:
                limit = 2**31 if kind is ColumnType.INT else 2**63
                self._require(type(value) is int and -limit <= value < limit)
        return value

    @staticmethod
    def _require(fits: bool) -> None:
        if not fits:
            raise ValueError

    @staticmethod
    def _refuse(constant: str) -> None:
        raise ValueError(constant)


#: JSON texts that are right for some column and wrong for others.
VALUES = (
    "null", "true", "false", "0", "-0", "1", "7", "100", "101", "-1", "5.0", "5.5", "0.25", "1e2", "1E400", "-1e400",
    "2147483647", "2147483648", "-2147483648", "-2147483649", "9007199254740993", "9223372036854775807",
    "9223372036854775808", "-9223372036854775809", "1" + "0" * 50, "01", "NaN", "-Infinity", "undefined",
    '""', '" "', '"x"', '"5"', '"true"', '"null"', '"NaN"', '"é😀"', r'"\u00e9\n\""', r'"\x"', '"a\tb"', '"}"',
    '"{[}]"', '"2026-01-31"', '"2026-02-31"', '"2026-1-31"', '"2026-01-31 "', '"2026"', f'"{AT}"',
    '"2026-01-01T10:11:12"', '"2026-01-01T10:11:12.25+02:00"', '"2026-01-01T10:11"', '"2026-01-01T10:11:12 UTC"',
    '"2026-01-01 1:1:1.00000"', r'"\ud83d\ude00"', r'"\ud83d"', r'"\\ud83d\ude00"',
    "{}", '{"a":1}', '{"id":"other"}', "[]", "[1,2]", '["x"]', '[{"a":"}"}]',
)  # fmt: skip
FITTING = {
    ColumnType.STRING: ('"x"', '""', '"5"', '"{[}]"', '"é😀"', r'"\u00e9\n\""'),
    ColumnType.BIGINT: ("0", "-7", "9007199254740992"),
    ColumnType.INT: ("1", "7", "100"),
    ColumnType.DOUBLE: ("0", "1", "0.25", "2.5e-1"),
    ColumnType.BOOLEAN: ("true", "false"),
    ColumnType.DATE: ('"2026-01-31"', '"0900-02-28"'),
    ColumnType.TIMESTAMP: ('"2026-01-01T10:11:12"', '"2026-01-01 10:11:12.25+02:00"', '"1850-01-01T00:00:00.000Z"'),
}
GARBAGE = (
    b" ",
    b"\n",
    b"\f",
    b"\0",
    b"}",
    b"]",
    b"}]",
    b"]}",
    b",",
    b'"',
    b"{}",
    b"x",
    b"\xff",
    b"\xc3\xa9",
    b"//",
    b":",
)


def generated_message(choose: random.Random) -> bytes | None:
    """A message that is valid, or spoilt in one or two ways."""
    fields = {"id": '"v-1"', "at": f'"{AT}"'}
    for column in choose.sample(VISITS.columns, choose.randrange(6)):
        fields[column.name] = choose.choice(FITTING[column.type] if choose.random() < 0.8 else VALUES)
    for name in choose.sample(("extra", "ID", "", "_corrupt", "a b"), choose.choice((0, 0, 1, 2))):
        fields[name] = choose.choice(VALUES)
    blank = choose.choice(("", "", " ", "\n\t"))
    pairs = [f'{blank}"{name}"{blank}:{blank}{value}' for name, value in fields.items()]
    choose.shuffle(pairs)
    message = ("{" + ",".join(pairs) + "}").encode()
    match choose.randrange(10):
        case 0:
            message = message[: choose.randrange(len(message))]
        case 1:
            message += choose.choice(GARBAGE)
        case 2:
            place = choose.randrange(len(message))
            message = message[:place] + choose.choice(GARBAGE) + message[place:]
        case 3:
            place = choose.randrange(len(message))
            message = message[:place] + message[place + 1 :]
    return message


def test_each_message_is_judged_and_read_as_an_independent_oracle_does(spark: SparkSession) -> None:
    choose = random.Random(20260101)
    values = [generated_message(choose) for _ in range(1500)]
    oracle = Oracle()
    expected = [oracle.row(value) for value in values]
    accepted_share = sum(row is not None for row in expected) / len(values)
    assert 0.25 < accepted_share < 0.75, "the messages have to be of both kinds"
    rows = parse(spark, VISITS, values)
    names = [column.name for column in VISITS.columns]
    found = [None if row["reason"] else {name: row[name] for name in names} for row in rows]
    wrong = [
        f"{value!r}\n  expected {want}\n  found    {got or row['reason']}"
        for value, want, got, row in zip(values, expected, found, rows, strict=True)
        if got != want
    ]
    assert not wrong, "\n".join([f"{len(wrong)} differ:", *wrong[:20]])
