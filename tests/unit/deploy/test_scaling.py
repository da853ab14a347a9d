"""The sizes in docs/scaling.md are those that benchmarks/scaling.py computes, and rest on what the platform runs by."""

import pytest
from benchmarks import scaling

from lakehouse.components import streaming
from lakehouse.contracts import cost


def test_the_document_is_current():
    text = scaling.DOCUMENT.read_text(encoding="utf-8")
    written = scaling.BEGIN + text.partition(scaling.BEGIN)[2].partition(scaling.END)[0] + scaling.END
    assert written == scaling.tables(), "run: .venv/bin/python benchmarks/scaling.py --write"


def test_its_constants_are_the_platforms():
    assert (scaling.BATCH, scaling.FLINK_WINDOWED) == (cost._BATCH_SECONDS, cost._FLINK_WINDOWED_RATE)
    assert streaming.StreamingTables.model_fields["observe_every_seconds"].default == scaling.LOOK


@pytest.mark.parametrize("cores", [2, 8])
def test_one_query_is_as_late_as_its_trigger_and_its_batch(cores):
    # At most 1.5 of its usual time for each batch, and the batch before began a trigger earlier.
    assert 10 <= scaling.lateness(1, cores, trigger=10, events=10) <= 10 + 1.5 * scaling.BATCH + 0.1


def test_queries_that_share_a_core_wait_for_one_another():
    assert scaling.lateness(100, 2, trigger=10, events=10) > 2 * scaling.lateness(10, 2, trigger=10, events=10)
