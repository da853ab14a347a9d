"""Contracts with a transform: what they take from the contract of their events, and what does not go together."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.unit.contracts.conftest import line_of

from lakehouse.contracts import Contract, ContractError, Engine, declared_tables, find_contract, load_contracts
from lakehouse.contracts.output import GUIDANCE, OutputMode
from lakehouse.reference import contract_page

Write = Callable[..., Path]

COUNTS = """\
table: streaming.visit_counts
description: Visits of five minutes
owner: team:web
freshness: 5 seconds
retention: 30 days
source:
  topic: visits
  columns_of: raw.visits
transform:
  job: io.example.VisitCountsJob
  window: 5 minutes
columns:
  - name: window_end
    type: timestamp
    required: true
  - name: visits
    type: bigint
    required: true
event_time:
  column: window_end
  watermark: 30 seconds
  allowed_lateness: 1 minute
on_invalid: drop
late: streaming.visits_late
also_to:
  topic: visits.counts
"""


@pytest.fixture
def counts(write: Write, tmp_path: Path) -> Contract:
    write()
    write(COUNTS, "counts.yaml")
    return find_contract(tmp_path, "streaming.visit_counts")


def test_the_fields_of_the_events_come_from_their_contract(counts: Contract, tmp_path: Path) -> None:
    assert [column.name for column in counts.source.columns] == ["visit_id", "at", "seconds"]
    assert counts.source.columns == find_contract(tmp_path, "raw.visits").columns
    assert counts.source.event_time == "at"


def test_a_column_that_is_derived_from_no_field_of_the_events_is_refused(write: Write, tmp_path: Path) -> None:
    write()
    typed = "    type: bigint\n    required: true\n"
    text = COUNTS.replace(typed, f"{typed}    derived_from: [visit]\n")
    write(text, "counts.yaml")
    with pytest.raises(ContractError) as raised:
        load_contracts(tmp_path)
    [problem] = raised.value.problems
    assert problem.line == line_of(text, "derived_from")
    assert problem.message == "'visit' is no field of the events. Fields: visit_id, at, seconds"


def test_a_contract_written_out_with_what_it_took_is_the_same_when_read_back(
    counts: Contract, write: Write, tmp_path: Path
) -> None:
    write(yaml.safe_dump(counts.model_dump(mode="json")), "counts.yaml")
    assert find_contract(tmp_path, "streaming.visit_counts") == counts


def test_it_declares_its_own_columns_and_those_of_the_events_for_late_ones(counts: Contract) -> None:
    own, late = declared_tables(counts)
    assert (own.name, [column.name for column in own.columns]) == (
        "streaming.visit_counts",
        ["window_end", "visits"],
    )
    assert late.name == "streaming.visits_late"
    assert [column.name for column in late.columns] == [
        *("visit_id", "at", "seconds"),
        *("kafka_topic", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingested_at"),
    ]


def test_the_engine_follows_from_the_freshness_here_too(counts: Contract) -> None:
    assert counts.resolved_engine is Engine.FLINK


def test_late_events_that_still_count_keep_it_under_flink(write: Write, tmp_path: Path) -> None:
    write()
    write(COUNTS.replace("freshness: 5 seconds", "freshness: 5 minutes"), "counts.yaml")
    assert find_contract(tmp_path, "streaming.visit_counts").resolved_engine is Engine.FLINK


def test_events_that_no_contract_ingests_are_declared_in_place(write: Write, tmp_path: Path) -> None:
    inline = "event_time: at\n  columns:\n    - {name: at, type: timestamp, required: true}"
    write(COUNTS.replace("columns_of: raw.visits", inline))
    (contract,) = load_contracts(tmp_path)
    assert [column.name for column in contract.source.columns] == ["at"]


@pytest.mark.parametrize(
    ("old", "new", "at", "expected"),
    [
        (
            "columns_of: raw.visits",
            "columns_of: raw.visit",
            "columns_of",
            "source.columns_of: no contract declares 'raw.visit'. Declared: raw.visits, streaming.visit_counts",
        ),
        (
            "columns_of: raw.visits",
            "columns_of: streaming.visit_counts",
            "columns_of",
            "source.columns_of: 'streaming.visit_counts' has a transform: its columns are not the fields of events",
        ),
        (
            "columns_of: raw.visits",
            "columns_of: raw.visits\n  event_time: seen",
            "event_time: seen",
            "source.event_time: comes from raw.visits, and is something else there: leave it out",
        ),
        (
            "late: streaming.visits_late",
            "late: raw.visits_rejected",
            "late:",
            "late: 'raw.visits_rejected' is a table of raw.visits already: choose another name",
        ),
        ("  columns_of: raw.visits\n", "", "source", "source.columns_of: is missing: a transform has to know the"),
        (
            "  columns_of: raw.visits",
            "  event_time: at",
            "event_time: at",
            "source.event_time: columns and event_time go together",
        ),
        ("on_invalid: drop\n", "", "table", "on_invalid: has to be `drop` with a transform"),
        (
            "on_invalid: drop",
            "on_invalid: quarantine",
            "on_invalid",
            "on_invalid: has to be `drop` with a transform",
        ),
        (
            "  job: io.example.VisitCountsJob\n",
            "",
            "transform",
            "transform: expected one of job, sql, function, got none",
        ),
        (
            "  job: io.example.VisitCountsJob",
            "  job: io.example.VisitCountsJob\n  sql: visits.sql",
            "transform",
            "transform: expected one of job, sql, function, got job and sql",
        ),
        (
            "  job: io.example.VisitCountsJob",
            "  job: visit_counts",
            "job:",
            "transform.job: 'visit_counts' is not valid: should match",
        ),
        (
            "freshness: 5 seconds",
            "freshness: 5 seconds\nengine: spark",
            "engine",
            "engine: spark cannot run this transform: set `engine: flink`",
        ),
        (
            "  job: io.example.VisitCountsJob",
            "  sql: visit_counts.sql",
            "late: streaming.visits_late",
            "late: needs a transform with a job: SQL and Spark drop what comes behind the watermark",
        ),
    ],
)
def test_a_mistake_is_told_where_it_is(
    write: Write, tmp_path: Path, old: str, new: str, at: str, expected: str
) -> None:
    write()
    text = COUNTS.replace(old, new)
    file = write(text, "counts.yaml")
    with pytest.raises(ContractError) as error:
        load_contracts(tmp_path)
    assert str(error.value).startswith(f"{file}:{line_of(text, at)}: {expected}")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("topic: visits", "topic: visits\n  columns_of: raw.visits", "source.columns_of"),
        ("column: at", "column: at\n  watermark: 1 minute", "event_time.watermark"),
        ("keys: [visit_id]", "late: raw.late", "late"),
        ("keys: [visit_id]", "also_to: {topic: visits.copy}", "also_to"),
    ],
)
def test_what_only_a_transform_has_is_refused_without_one(
    refused: Callable[..., list[str]], old: str, new: str, field: str
) -> None:
    at = new.splitlines()[-1].strip()
    assert refused(old, new, at=at) == [f"{field}: goes with a transform: give one, or drop this"]


WINDOWS = """\
table: streaming.visit_windows
description: Visits of five minutes
owner: team:web
freshness: 1 minute
retention: 30 days
source:
  topic: visits
  columns_of: raw.visits
transform:
  function: example.visits:windows
  window: 5 minutes
  slide: 1 minute
  mode: update
columns:
  - {name: window_start, type: timestamp, required: true}
  - {name: window_end, type: timestamp, required: true}
  - {name: visits, type: bigint, required: true}
event_time:
  column: window_end
  watermark: 10 minutes
keys: [window_start]
on_invalid: drop
"""


def windows(write: Write, tmp_path: Path, old: str = "", new: str = "") -> Contract:
    write()
    write(WINDOWS.replace(old, new), "windows.yaml")
    return find_contract(tmp_path, "streaming.visit_windows")


def test_a_function_runs_under_spark(write: Write, tmp_path: Path) -> None:
    assert windows(write, tmp_path).resolved_engine is Engine.SPARK


@pytest.mark.parametrize(
    ("old", "new", "at", "expected"),
    [
        (
            "  watermark: 10 minutes\n",
            "",
            "event_time",
            "event_time.watermark: is missing: without a watermark the state of every window would be kept for ever",
        ),
        ("keys: [window_start]\n", "", "table", "keys: is missing: `mode: update` replaces rows by their keys"),
        (
            "mode: update",
            "mode: complete",
            "transform:",
            "transform.max_rows: goes with `mode: complete`, and that with max_rows",
        ),
        (
            "mode: update",
            "mode: update\n  max_rows: 10",
            "max_rows",
            "transform.max_rows: goes with `mode: complete`, and that with max_rows",
        ),
        (
            "keys: [window_start]",
            "keys: [window_end]",
            "keys",
            "keys: have to hold window_start with `mode: update`: else each window would replace the one before",
        ),
        (
            "  window: 5 minutes\n  slide: 1 minute",
            "  gap: 5 minutes",
            "mode: update",
            "transform.mode: `update` does not go with `gap`: a session is written when it is over, by `append`",
        ),
        (
            "slide: 1 minute",
            "slide: 6 minutes",
            "transform:",
            "transform: slide has to be at most as long as window, or events would fall between windows",
        ),
        (
            "slide: 1 minute",
            "gap: 6 minutes",
            "transform:",
            "transform: gap and window exclude each other: a session has no fixed length",
        ),
        (
            "window_start",
            "beginning",
            "columns:",
            "columns: 'window_start' is no column. Columns: beginning, window_end",
        ),
        (
            "column: window_end",
            "column: window_end\n  idleness: 1 minute",
            "idleness",
            "event_time.idleness: goes with",
        ),
        ("function: example.visits:windows", "function: example.visits", "function:", "transform.function: 'example"),
        ("freshness: 1 minute", "freshness: 1 second", "table", "engine: flink cannot run this transform: set"),
        (
            "on_invalid: drop",
            "on_invalid: drop\nlate: streaming.late",
            "late:",
            "late: needs a transform with a job: SQL and Spark drop what comes behind the watermark",
        ),
    ],
)
def test_what_would_lose_rows_or_grow_without_bound_is_refused(
    write: Write, tmp_path: Path, old: str, new: str, at: str, expected: str
) -> None:
    write()
    text = WINDOWS.replace(old, new)
    file = write(text, "windows.yaml")
    with pytest.raises(ContractError) as error:
        load_contracts(tmp_path)
    assert str(error.value).startswith(f"{file}:{line_of(text, at)}: {expected}")


def test_append_without_a_watermark_would_never_write(write: Write, tmp_path: Path) -> None:
    write()
    text = WINDOWS.replace("  mode: update\n", "").replace("  watermark: 10 minutes\n", "")
    write(text, "windows.yaml")
    with pytest.raises(ContractError, match="no window would ever be final, and none be written"):
        load_contracts(tmp_path)


@pytest.mark.parametrize("field", ["slide: 1 minute", "gap: 1 minute", "mode: update", "max_rows: 1", "trigger: 1 s"])
def test_what_a_flink_job_decides_itself_is_refused(write: Write, tmp_path: Path, field: str) -> None:
    write()
    write(COUNTS.replace("  window: 5 minutes", f"  {field}"), "counts.yaml")
    with pytest.raises(ContractError, match="goes with a function: drop it"):
        load_contracts(tmp_path)


class TestTableAsSource:
    SOURCE = "  topic: visits\n  columns_of: raw.visits"

    def test_events_come_from_the_rows_of_the_table(self, write: Write, tmp_path: Path) -> None:
        contract = windows(write, tmp_path, self.SOURCE, "  table: raw.visits")
        assert contract.source.origin == "raw.visits"
        assert [column.name for column in contract.event_columns] == ["visit_id", "at", "seconds"]
        assert (contract.source.event_time, contract.source.topic) == ("at", "visits")

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("  table: raw.visit", "source.table: no contract declares 'raw.visit'"),
            ("  table: streaming.visit_windows", "source.table: 'streaming.visit_windows' changes its rows"),
            ("  table: raw.visits\n  topic: other", "source.topic: comes from raw.visits, and is something else there"),
            ("  table: raw.visits\n  columns_of: raw.visits", "source.columns_of: goes with a topic"),
            ("  starting_offsets: latest", "source.topic: is missing: give the topic that the events come from"),
        ],
    )
    def test_a_table_that_does_not_do_is_refused(
        self, write: Write, tmp_path: Path, source: str, expected: str
    ) -> None:
        with pytest.raises(ContractError) as error:
            windows(write, tmp_path, self.SOURCE, source)
        assert expected in str(error.value)

    def test_only_a_pyspark_function_reads_a_table(self, write: Write, tmp_path: Path) -> None:
        write()
        write(COUNTS.replace("topic: visits\n  columns_of: raw.visits", "table: raw.visits"), "counts.yaml")
        with pytest.raises(ContractError, match=r"source\.table: goes with a PySpark function: give a topic"):
            load_contracts(tmp_path)


def test_a_full_batch_fits_into_the_largest(refused: Callable[..., list[str]]) -> None:
    small = "topic: visits\n  catch_up_offsets_per_trigger: 99999"
    assert refused("topic: visits", small, at="catch_up_offsets_per_trigger") == [
        "source.catch_up_offsets_per_trigger: is below max_offsets_per_trigger, 100000: a full batch would not fit"
    ]


def test_the_reference_says_of_each_mode_when_to_take_it() -> None:
    page = contract_page()
    for mode in OutputMode:
        assert f"| `{mode.value}` | {GUIDANCE[mode].row} | {GUIDANCE[mode].take_when} |" in page
