"""What may be asked for."""

from datetime import UTC, datetime

import pytest

from lakehouse.replay.errors import ReplayError
from lakehouse.replay.request import Request, parse_request


def parsed(**given: object) -> Request:
    values = {"since": None, "until": None, "offsets": None, "whole": False, "quarantined": False, **given}
    return parse_request("raw.visits", **values)  # type: ignore[arg-type]


def test_times_are_utc_unless_they_say_otherwise() -> None:
    request = parsed(since="2026-11-20T10:00", until="2026-11-20T12:00+01:00")
    assert request.since == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert request.until == datetime(2026, 11, 20, 11, tzinfo=UTC)


def test_offsets_are_ranges_by_partition() -> None:
    assert parsed(offsets="0:10-20, 3:0-1").offsets == {0: (10, 20), 3: (0, 1)}


def test_quarantine_needs_no_range() -> None:
    assert str(parsed(quarantined=True)) == "quarantined events, all there is"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "given by nothing"),
        ({"whole": True, "offsets": "0:1-2"}, "given by offsets and whole"),
        ({"since": "yesterday"}, "from is 'yesterday'; expected a time in ISO 8601"),
        ({"since": "2026-01-02", "until": "2026-01-02"}, "2026-01-02 00:00:00 UTC is not before"),
        ({"offsets": "0:5-5"}, "hold '0:5-5'"),
        ({"offsets": "0:1-5,0:6-7"}, "hold '0:6-7'"),
        ({"offsets": "10-20"}, "partition:from-to"),
    ],
)
def test_what_is_no_range_is_told_with_what_one_is(given: dict[str, object], told: str) -> None:
    with pytest.raises(ReplayError, match=told):
        parsed(**given)
