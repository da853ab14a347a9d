"""What is inferred from events, each thing on its own."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts import Contract
from lakehouse.contracts.columns import ColumnType
from lakehouse.sampling.draft import Draft, contract_text
from lakehouse.sampling.events import Event, read_events
from lakehouse.sampling.infer import InferError, Inferred, infer
from lakehouse.sampling.sample import Sampled

AT = "2026-01-01T10:11:12Z"
AT_MILLISECONDS = 1767262272000
DRAFT = Draft(
    table="raw.visits",
    topic="visits",
    description="One visit",
    owner="team:web",
    freshness=timedelta(minutes=1),
    events_per_second=None,
    sampled=100,
    refused=0,
    on=date(2026, 1, 1),
)


def of(fields: Sequence[dict[str, Any]], keys: Sequence[bytes | None] = ()) -> Inferred:
    """What is inferred of events with ``fields`` and a time."""
    padded = [*keys, *[None] * (len(fields) - len(keys))]
    return infer(
        [Event({"at": AT, **one}, key, AT_MILLISECONDS + 250) for one, key in zip(fields, padded, strict=True)]
    )


def types(inferred: Inferred) -> dict[str, ColumnType]:
    return {column.name: column.type for column in inferred.columns if column.name != "at"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b"], "string"),
        (["", "2026-01-01"], "string"),
        (["2026-01-01", "2026-02-28"], "date"),
        (["2026-01-01", "2026-02-30"], "string"),
        ([AT, "2026-01-01 10:11:12.5+02:00"], "timestamp"),
        ([AT, "2026-01-01"], "string"),
        ([1, 2], "bigint"),
        ([1, 2**63 - 1], "bigint"),
        ([1, 2**63], "double"),
        ([1, 0.5], "double"),
        ([True, False], "boolean"),
        ([None, 7], "bigint"),
    ],
)
def test_the_type_is_the_narrowest_that_holds_the_values(values: list[Any], expected: str) -> None:
    assert types(of([{"x": value} for value in values])) == {"x": ColumnType(expected)}


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("x", [{"a": 1}, {"a": 2}], "no one type: 2 objects"),
        ("x", [[1], [2], "a"], "no one type: 2 lists, 1 string"),
        ("x", ["a", 1], "no one type: 1 string, 1 bigint"),
        ("x", [True, 1], "no one type: 1 boolean, 1 bigint"),
        ("x", [10**400, 10**400], "no one type: 2 numbers out of range"),
        ("x", [None, None], "null in every message: its type does not show"),
        ("orderId", ["a", "b"], "column names match"),
        ("kafka_offset", [1, 2], "the platform adds a column of that name"),
    ],
)
def test_what_no_column_can_hold_is_left_out_with_the_reason(name: str, values: list[Any], reason: str) -> None:
    inferred = of([{name: value} for value in values])
    assert types(inferred) == {}
    assert inferred.left_out[name].startswith(reason)


def test_two_in_a_hundred_do_not_decide_about_the_type_and_are_counted() -> None:
    inferred = of([{"x": 1}] * 98 + [{"x": "twelve"}, {"x": 12.5}])
    (column,) = (column for column in inferred.columns if column.name == "x")
    assert (column.type, column.odd) == (ColumnType.BIGINT, 2)
    assert of([{"x": 1}] * 97 + [{"x": "twelve"}] * 3).left_out == {"x": "no one type: 97 bigint, 3 string"}


def test_only_what_every_event_has_is_required() -> None:
    inferred = of([{"always": 1, "mostly": 1, "null": 1}] * 99 + [{"always": 1, "null": None}])
    assert {column.name: column.required for column in inferred.columns} == {
        "at": True,
        "always": True,
        "mostly": False,
        "null": False,
    }


def test_the_event_time_is_the_timestamp_nearest_to_the_messages_own() -> None:
    inferred = of([{"created_at": "2025-12-31T00:00:00Z"}] * 4)
    assert inferred.event_time == "at"
    assert "in the median 250 milliseconds from the message's; nearer than 1 other" in inferred.event_time_why


def test_a_copy_of_the_messages_own_time_is_nearest_of_all() -> None:
    fields = {"at": "2026-01-01T10:11:12.001Z", "sent": AT}
    assert infer([Event(fields, None, AT_MILLISECONDS)]).event_time == "sent"


def test_of_two_equally_near_it_is_the_one_that_is_named_so() -> None:
    assert of([{"event_time": AT}] * 4).event_time == "event_time"


def test_a_timestamp_that_one_in_a_hundred_lacks_is_the_event_time_and_required() -> None:
    events = [Event({"at": AT}, None, None)] * 99 + [Event({"x": 1}, None, None)]
    inferred = infer(events)
    assert inferred.event_time == "at"
    assert [column.required for column in inferred.columns] == [True, False]


def test_without_a_timestamp_it_says_which_fields_came_near() -> None:
    events = [Event({"eventTime": AT, "seen": AT, "ts": 1}, None, None), Event({"eventTime": AT, "ts": 2}, None, None)]
    with pytest.raises(InferError) as error:
        infer(events)
    assert "Fields with such values: eventTime (in 2 of 2), seen (in 1 of 2)" in str(error.value)
    assert "eventTime: column names match" in str(error.value)


def test_the_column_that_equals_the_message_key_is_the_key_for_sure() -> None:
    fields = [{"order_id": f"o-{i}", "customer_id": i % 3} for i in range(10)]
    inferred = of(fields, [str(i % 3).encode() for i in range(10)])
    assert inferred.keys == ("customer_id",)
    assert inferred.keys_why == "sure: the message key equals it in 10 of 10 events"


def test_without_message_keys_an_id_with_many_values_is_a_guess() -> None:
    inferred = of([{"session_id": i % 3, "visit_id": i, "amount": i} for i in range(10)])
    assert inferred.keys == ("visit_id",)
    assert inferred.keys_why == "a guess by its name: 10 different values in 10 events"


def test_without_either_there_are_no_keys() -> None:
    assert of([{"amount": i, "kind_id": 1} for i in range(10)]).keys == ()


def test_personal_data_is_known_by_its_name() -> None:
    inferred = of([{"email": "a", "customer_phone": "b", "mailbox": "c", "ship": "d"}])
    assert [column.name for column in inferred.columns if column.personal] == ["email", "customer_phone"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no value"),
        (b"", "an empty value"),
        (b"\x00\x00\x00\x00\x07\xc3(", "no UTF-8: Avro or Protobuf"),
        (b"\xff", "no UTF-8"),
        (b"{", "no JSON: "),
        (b'{"x": NaN}', "no JSON: NaN is no JSON"),
        (b"[]", "a JSON list and no object"),
        (rb'{"x": "\ud83d"}', "half of a surrogate pair"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "JSON nested too deeply"),
    ],
)
def test_what_is_no_event_is_told(value: bytes | None, reason: str) -> None:
    events, (refused,) = read_events([Sampled(2, 7, None, value, None)])
    assert events == []
    assert refused.reason.startswith(reason)
    assert str(refused).startswith("partition 2, offset 7: ")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "1 millisecond"),
        (1.9, "1900 milliseconds"),
        (119, "119 seconds"),
        (7000, "117 minutes"),
        (86661, "1 day"),
    ],
)
def test_how_near_the_event_time_is_is_told_in_one_unit(seconds: float, told: str) -> None:
    inferred = infer([Event({"at": AT}, None, AT_MILLISECONDS + int(1000 * seconds))])
    assert inferred.event_time_why == f"a timestamp in nearly every event, in the median {told} from the message's"


def text_of(inferred: Inferred, **changes: Any) -> str:
    return contract_text(Draft(**{**vars(DRAFT), **changes}), inferred)


def test_the_draft_says_what_each_line_rests_on() -> None:
    inferred = of([{"visit_id": f"v-{i}", "pages": i % 3, "email": "x", "cart": {}} for i in range(100)])
    assert (
        text_of(inferred, events_per_second=1234.5)
        == """\
# yaml-language-server: $schema=contract.schema.json
# Drafted on 2026-01-01 by `lakehouse add visits` from 100 messages: look it over.
table: raw.visits
description: One visit
owner: team:web
freshness: 1 minute
engine: auto  # By the rules: `lakehouse choose raw.visits` tells why.
workload:
  events_per_second: 1230  # The mean of the last 10 minutes.
source:
  topic: visits
columns:
  - name: at  # in every event, 1 value
    type: timestamp
    required: true
  - name: visit_id  # in every event, 100 different values
    type: string
    required: true
  - name: pages  # in every event, 3 different values
    type: bigint
    required: true
  - name: email  # in every event, 1 value
    type: string
    required: true
    pii: true  # by its name
  # "cart" is left out, and stays in the topic alone: no one type: 100 objects
event_time:
  column: at  # a timestamp in nearly every event, in the median 250 milliseconds from the message's
keys: [visit_id]  # a guess by its name: 100 different values in 100 events
on_invalid: quarantine
retention: 30 days  # Not inferred: how long readers may have to look back.
"""
    )


@pytest.mark.parametrize("text", ["on", "12", "a: b", "# no", "'", '"', "team:web", "x\ny", "[a", "null", "é", " a "])
def test_whatever_is_given_reads_back_as_it_was(text: str) -> None:
    values = yaml.safe_load(text_of(of([{"on": 1}] * 3), owner=text, description=text))
    assert (values["owner"], values["description"]) == (text, text)


_names = st.sampled_from(["id", "on", "yes", "null", "x", "y", "orderId", "reason", "a_b", "é", 'q"', "n\nm"])
_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@given(st.lists(st.dictionaries(_names, _values | st.lists(st.integers())), min_size=1, max_size=20))
def test_whatever_events_hold_the_draft_is_a_contract(fields: list[dict[str, Any]]) -> None:
    readable = [{"at": AT, **json.loads(json.dumps(one))} for one in fields]
    inferred = infer([Event(one, None, None) for one in readable])
    contract = Contract.model_validate(yaml.safe_load(text_of(inferred)))
    assert [column.name for column in contract.columns] == [column.name for column in inferred.columns]
