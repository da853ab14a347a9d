"""Durations as people write them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.contracts.duration import format_duration, parse_duration

MILLISECOND = timedelta(milliseconds=1)
durations = st.integers(1, timedelta.max // MILLISECOND).map(lambda count: count * MILLISECOND)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250 ms", timedelta(milliseconds=250)),
        ("1 millisecond", timedelta(milliseconds=1)),
        ("30 seconds", timedelta(seconds=30)),
        ("30s", timedelta(seconds=30)),
        ("45 sec", timedelta(seconds=45)),
        ("5 min", timedelta(minutes=5)),
        ("1 minute", timedelta(minutes=1)),
        ("2 h", timedelta(hours=2)),
        ("1 hour", timedelta(hours=1)),
        ("7 days", timedelta(days=7)),
        ("1 d", timedelta(days=1)),
        ("1.5 hours", timedelta(minutes=90)),
        ("0.1 s", timedelta(milliseconds=100)),
        ("  10  Minutes ", timedelta(minutes=10)),
    ],
)
def test_a_number_and_a_unit_are_a_duration(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", [60, 1.5, None, True, "", "60", "minute", "-5 min", "5 min 3 s", "1e3 s", "PT5M", "٣ s"]
)
def test_anything_else_is_refused_with_its_value_and_the_valid_units(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a duration: expected a number and a unit \(ms, s, min, h, d\)") as e:
        parse_duration(text)
    assert repr(text) in str(e.value)


@pytest.mark.parametrize("unit", ["fortnight", "m", "months", "us"])
def test_an_unknown_unit_is_named_with_the_valid_ones(unit: str) -> None:
    with pytest.raises(ValueError, match=rf"unknown unit '{unit}': expected .*ms, s, min, h, d"):
        parse_duration(f"5 {unit}")


@pytest.mark.parametrize("text", ["0 s", "0.0 days", "0.1 ms"])
def test_no_time_at_all_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="shorter than a millisecond"):
        parse_duration(text)


def test_more_time_than_there_is_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than"):
        parse_duration("99999999999999 days")


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (timedelta(minutes=1), "1 minute"),
        (timedelta(seconds=90), "90 seconds"),
        (timedelta(hours=24), "1 day"),
        (timedelta(milliseconds=1500), "1500 milliseconds"),
    ],
)
def test_a_duration_is_written_in_its_largest_whole_unit(duration: timedelta, expected: str) -> None:
    assert format_duration(duration) == expected


def test_less_than_a_millisecond_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="whole number of milliseconds"):
        format_duration(timedelta(microseconds=1500))


@given(durations)
def test_what_was_written_is_read_back_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.decimals(1, 10_000, places=3), st.sampled_from(["ms", "s", "min", "h", "d"]))
def test_whatever_was_read_can_be_written(amount: object, unit: str) -> None:
    duration = parse_duration(f"{amount} {unit}")
    assert parse_duration(format_duration(duration)) == duration
