"""Batches and the stop of their query, which meet at the gate."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lakehouse_spark.gate import Gate, QueryEndingError


def written(gate: Gate) -> bool:
    with gate.batch():
        return True


def test_batches_come_through_one_after_the_other() -> None:
    gate = Gate()
    assert (written(gate), written(gate)) == (True, True)


def test_a_batch_that_comes_after_the_stop_is_refused_and_does_not_wait() -> None:
    gate = Gate()
    assert gate.close(0)
    with ThreadPoolExecutor() as threads, pytest.raises(QueryEndingError):
        threads.submit(written, gate).result(10)


def test_the_stop_waits_for_the_batch_that_is_being_written() -> None:
    gate, inside, done = Gate(), threading.Event(), threading.Event()

    def write() -> None:
        with gate.batch():
            inside.set()
            done.wait(10)

    with ThreadPoolExecutor() as threads:
        batch = threads.submit(write)
        assert inside.wait(10)
        closed = threads.submit(gate.close, 10)
        assert not closed.done()
        done.set()
        assert closed.result(10)
        batch.result(10)


def test_a_batch_that_takes_too_long_is_told_and_none_follows_it() -> None:
    gate = Gate()
    with gate.batch():
        assert not gate.close(0.01)
    with pytest.raises(QueryEndingError):
        written(gate)
