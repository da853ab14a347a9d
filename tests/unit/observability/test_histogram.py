"""Histograms of latencies: what is merged is what would have been counted together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.observability.histogram import EXPORTED_MS, Histogram

milliseconds = st.lists(st.integers(-1000, 2_000_000_000), max_size=60)


def of(values: list[int]) -> Histogram:
    return Histogram.of(np.array(values, dtype=np.int64))


@given(st.lists(milliseconds, max_size=8))
def test_the_histogram_of_increments_is_that_of_all_values(increments: list[list[int]]) -> None:
    merged = Histogram()
    for increment in increments:
        merged.merge(of(increment))
    assert merged == of([value for increment in increments for value in increment])


@given(milliseconds)
def test_a_file_gives_back_what_was_stored(values: list[int]) -> None:
    assert Histogram.from_json(of(values).as_json()) == of(values)


@given(st.lists(st.integers(1, 900_000_000), min_size=1, max_size=60), st.sampled_from([0.5, 0.95, 1.0]))
def test_a_quantile_is_at_most_nine_percent_off(values: list[int], share: float) -> None:
    exact = np.quantile(np.array(values), share, method="inverted_cdf") / 1000
    assert of(values).quantile(share) == pytest.approx(exact, rel=0.095, abs=0.001)


@given(milliseconds)
def test_prometheus_gets_exact_counts_at_its_bounds(values: list[int]) -> None:
    exported = list(of(values).exported())
    assert [count for _, count in exported] == [
        *(sum(max(value, 0) <= bound for value in values) for bound in EXPORTED_MS),
        len(values),
    ]
    assert exported[-1][0] == "+Inf"


@given(st.lists(st.integers(0, 100_000_000), min_size=1, max_size=30), st.integers(0, 100_000_000))
def test_values_that_grow_by_the_same_keep_count_sum_and_quantiles(values: list[int], by: int) -> None:
    later, exact = of(values).later(by), of([value + by for value in values])
    assert (later.count, later.total_ms, later.max_ms) == (exact.count, exact.total_ms, exact.max_ms)
    for share in (0.5, 0.95):
        assert later.quantile(share) == pytest.approx(exact.quantile(share), rel=0.2, abs=0.002)


def test_without_values_there_is_no_quantile() -> None:
    assert Histogram().quantile(0.5) is None


def test_clocks_that_disagree_make_no_negative_latency() -> None:
    assert of([-500]).quantile(1.0) == 0.0
