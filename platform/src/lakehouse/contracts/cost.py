"""What running a table's job roughly costs: processor cores and memory, by what was measured here.

The figures are of 2026-11-22, two cores of an AMD EPYC, messages of 152 bytes, warm: the order of magnitude counts.
Not in them are disks, the broker, and people, who are dearest where an engine is new to them.
"""

from dataclasses import dataclass
from datetime import timedelta

from lakehouse.contracts.duration import format_duration
from lakehouse.contracts.engine import Engine
from lakehouse.contracts.trigger import trigger_for
from lakehouse.contracts.workload import Need, Workload

#: Events per CPU-second from Kafka into Delta; Flink also with windows of 5 minutes.
_SPARK_RATE, _FLINK_RATE, _FLINK_WINDOWED_RATE = 186_000, 483_000, 181_000
#: What a micro-batch costs whatever is in it, between 0.8 and 1.6 seconds.
_BATCH_SECONDS = 1.2
#: What starting a dbt run from Dagster costs, and how many changed rows a CPU-second merges then.
_RUN_SECONDS, _MERGED_RATE = 5.3, 200_000
#: Peak memory, MB. dbt's is taken for the length of a run alone.
_MEMORY = {Engine.DBT: 410, Engine.SPARK: 1_400, Engine.FLINK: 1_130}


@dataclass(frozen=True)
class Cost:
    """``cores`` busy on average, by ``formula``; None where the events or rows that it needs are not known."""

    cores: float | None
    memory_mb: int
    formula: str
    always: bool

    def __str__(self) -> str:
        when = "always" if self.always else "while it runs"
        cores = "" if self.cores is None else f"about {self.cores:.2g} = "
        return f"{self.memory_mb:,} MB {when}; cores: {cores}{self.formula}"


def running_cost(workload: Workload, engine: Engine) -> Cost:
    """The cost of ``workload`` under ``engine``. The formula names what is not known."""
    if engine is Engine.DBT:
        return _scheduled(workload)
    batches, told = 0.0, ""
    if engine is Engine.SPARK:
        trigger = trigger_for(workload.freshness, workload.trigger)
        batches = min(1.0, _BATCH_SECONDS / trigger.total_seconds())
        told = f"{_BATCH_SECONDS} s a batch ÷ {_told(trigger)} + "
    events, rate = workload.events_per_second, _rate(workload, engine)
    cores = None if events is None else batches + events / rate
    shown = "events/s" if events is None else f"{events:,.10g} events/s"
    return Cost(cores, _MEMORY[engine], f"{told}{shown} ÷ {rate:,} events a CPU-second", always=True)


def _scheduled(workload: Workload) -> Cost:
    # A row waits for a run at most this long, and then for the run.
    every, rows = workload.freshness / 2, workload.rows_per_run
    cores = None if rows is None else (_RUN_SECONDS + rows / _MERGED_RATE) / every.total_seconds()
    shown = "rows" if rows is None else f"{rows:,} rows"
    formula = f"({_RUN_SECONDS} s a run + {shown} ÷ {_MERGED_RATE:,} rows a CPU-second) ÷ {_told(every)}"
    return Cost(cores, _MEMORY[Engine.DBT], formula, always=False)


def _rate(workload: Workload, engine: Engine) -> int:
    if engine is Engine.SPARK:
        return _SPARK_RATE
    windowed = not workload.needs.isdisjoint({Need.WINDOWS, Need.EVENT_TIME})
    return _FLINK_WINDOWED_RATE if windowed else _FLINK_RATE


def _told(duration: timedelta) -> str:
    """``duration`` to whole milliseconds, as contracts write it."""
    return format_duration(timedelta(milliseconds=max(1, duration // timedelta(milliseconds=1))))
