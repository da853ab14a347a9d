"""The job `replay`: what `lakehouse replay` does, with its comparison as a table in the run."""

import dagster as dg
from pydantic import Field

from lakehouse.components.spark_pod import spark_pod
from lakehouse.contracts import Contract, Engine, find_contract
from lakehouse.replay.compare import Comparison
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.request import parse_request
from lakehouse.replay.run import Outcome, Replays
from lakehouse.settings import Settings, load_settings

#: Days or windows that a run shows of each table; those that differ come first.
_SHOWN = 200
_FIGURES = ("live_rows", "replayed_rows", "only_live", "only_replayed", "changed")


class ReplayConfig(dg.Config):
    """Which rows of which table: from/to, offsets or the whole topic, as `lakehouse replay --help` tells them."""

    table: str = Field(description="schema.table, as a contract declares it")
    since: str | None = Field(default=None, alias="from", description="Time, inclusive; ISO 8601, UTC")
    until: str | None = Field(default=None, alias="to", description="Time, exclusive; absent: all so far")
    offsets: str | None = Field(default=None, description="By partition: 0:100-200,1:50-80, to exclusive")
    whole: bool = Field(default=False, description="All that the topic still holds")
    quarantined: bool = Field(default=False, description="Only rejected events, from quarantine")
    swap: bool | None = Field(
        default=None, description="true: swap in any case; false: never; absent: within the contract's tolerance"
    )


@dg.op(pool="replay", description="Computes a range again beside the live table, compares, and swaps if told to.")
def replay_table(context: dg.OpExecutionContext, config: ReplayConfig) -> None:
    """A run that is executed again goes on with the replay that it had begun."""
    settings = load_settings()
    check_computable(settings, find_contract(settings.contracts_dir, config.table))
    request = parse_request(
        config.table,
        config.since,
        config.until,
        config.offsets,
        whole=config.whole,
        quarantined=config.quarantined,
    )
    replay_id = context.run.root_run_id or context.run_id
    outcome = Replays(settings).run(request, replay_id.replace("-", "")[:8], swap=config.swap)
    note = outcome.note
    context.log.info("replay %s of %s is %s; %d rows differ", note.id, note.table, note.state.value, outcome.differing)
    context.add_output_metadata(told(outcome))
    context.log_event(dg.AssetObservation(note.table.split("."), metadata=told(outcome)))


def check_computable(settings: Settings, contract: Contract) -> None:
    """Raises ReplayError on Kubernetes for what a Flink job computes: only a local stack's Flink replays it."""
    if settings.dagster_steps == "pods" and contract.transform and contract.resolved_engine is Engine.FLINK:
        raise ReplayError(
            f"{contract.table} is computed by a Flink job, whose cluster on Kubernetes runs nothing else: only tables "
            "whose rows Spark can compute are replayed there. See docs/how-to/deploy.md."
        )


def told(outcome: Outcome) -> dict[str, dg.MetadataValue]:
    """What Dagster shows of it."""
    note = outcome.note
    figures: dict[str, dg.MetadataValue] = {
        "replay/id": dg.MetadataValue.text(note.id),
        "replay/state": dg.MetadataValue.text(note.state.value),
        "replay/range": dg.MetadataValue.text(str(note.scope)),
        "replay/differing_rows": dg.MetadataValue.int(outcome.differing),
        "replay/differing_share": dg.MetadataValue.float(outcome.share),
    }
    tables = {f"replay/{comparison.table}": _table(comparison) for comparison in outcome.comparisons}
    return {**figures, **tables}


def _table(comparison: Comparison) -> dg.MetadataValue:
    columns = [
        dg.TableColumn("bucket", "string", description="Day or window, UTC"),
        *(dg.TableColumn(name, "int") for name in _FIGURES),
        *(dg.TableColumn(name, "string") for name in ("live_checksum", "replayed_checksum")),
    ]
    records = [dg.TableRecord(vars(bucket)) for bucket in comparison.first(_SHOWN)]
    return dg.MetadataValue.table(records, dg.TableSchema(columns=columns))


@dg.graph(name="replay", description="Replays a range of a streaming table.")
def replay_graph() -> None:
    """See ``replay_table``."""
    replay_table()


@dg.definitions
def replay() -> dg.Definitions:
    """The job; its range is given in the launchpad."""
    job = replay_graph.to_job(executor_def=dg.in_process_executor, tags=spark_pod(load_settings()))
    return dg.Definitions(jobs=[job])
