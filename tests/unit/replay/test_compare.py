"""The figures that a replay is judged by."""

from tests.unit.replay.conftest import Lake


def test_days_are_told_by_their_rows_keys_and_checksums(lake: Lake) -> None:
    lake.replayed({**dict.fromkeys(range(10, 17), 1), 18: 5, 19: 1})
    buckets = {bucket.bucket: bucket for bucket in lake.compared().buckets}
    assert len(buckets) == 10
    lost, changed, equal = (buckets[day] for day in ("1970-01-18", "1970-01-19", "1970-01-20"))
    assert (lost.live_rows, lost.replayed_rows, lost.only_live, lost.changed) == (1, 0, 1, 0)
    assert (changed.live_rows, changed.replayed_rows, changed.only_live, changed.changed) == (1, 1, 0, 1)
    assert changed.live_checksum != changed.replayed_checksum
    assert equal.differing == 0
    assert equal.live_checksum == equal.replayed_checksum


def test_when_a_row_was_written_does_not_count(lake: Lake) -> None:
    lake.replayed(dict.fromkeys(range(10, 20), 1))
    comparison = lake.compared()
    assert (comparison.rows, comparison.differing) == (10, 0)


def test_what_is_only_in_the_replay_is_told(lake: Lake) -> None:
    lake.catalog.open("raw.visits").delete("kafka_offset = 15")
    lake.replayed(dict.fromkeys(range(10, 20), 1))
    [bucket] = [bucket for bucket in lake.compared().buckets if bucket.differing]
    assert (bucket.bucket, bucket.only_replayed, bucket.live_rows) == ("1970-01-16", 1, 0)


def test_days_that_differ_are_shown_first(lake: Lake) -> None:
    lake.replayed({**dict.fromkeys(range(10, 19), 1), 19: 2})
    assert [bucket.bucket for bucket in lake.compared().first(2)] == ["1970-01-11", "1970-01-20"]
