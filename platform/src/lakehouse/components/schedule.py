"""The schedule of the dbt job, which starts nothing where a run would find nothing.

What a run computes follows from the Delta tables it reads, from the project's files, and from the date. Each run that
the schedule starts is tagged with a digest of these. While a run of the present digest has succeeded or is under way,
only models that read a source without versions, such as a database, are run: nobody can tell whether it moved.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import dagster as dg

from lakehouse.components.daily import increment_tags
from lakehouse.components.dbt import asset_key, without_versions
from lakehouse.storage.catalog import Catalog

STATE_TAG = "lakehouse/source_state"
#: Of the runs of models that read a source without versions.
UNVERSIONED_TAG = "lakehouse/unversioned_sources"
_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def source_schedule(
    name: str, cron: str, job: dg.JobDefinition | Any, manifest: Mapping[str, Any], catalog: Catalog
) -> dg.ScheduleDefinition:
    """The schedule ``name`` of ``job``, which builds all of ``manifest``; on from the start."""

    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Builds the models when a source moved, the project changed or a new day began; else only those "
        "that read a source without versions.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        state = source_state(manifest, catalog, context.scheduled_execution_time.date())
        increment = increment_tags(context.scheduled_execution_time)
        held = [dg.DagsterRunStatus.SUCCESS, *_UNDER_WAY]
        same = dg.RunsFilter(job_name=job.name, tags={STATE_TAG: state}, statuses=held)
        found = context.instance.get_run_records(same, limit=1)
        if not found:
            return dg.RunRequest(tags={STATE_TAG: state, **increment})
        if unversioned := readers_of_unversioned(manifest):
            before = dg.RunsFilter(job_name=job.name, tags={UNVERSIONED_TAG: "true"}, statuses=_UNDER_WAY)
            if waiting := context.instance.get_run_records(before, limit=1):
                return dg.SkipReason(f"run {waiting[0].dagster_run.run_id} of the same models is still under way")
            return dg.RunRequest(asset_selection=unversioned, tags={UNVERSIONED_TAG: "true", **increment})
        return dg.SkipReason(
            f"no source has a new version since run {found[0].dagster_run.run_id}, the models are the same, "
            "and so is the day"
        )

    return schedule


def source_state(manifest: Mapping[str, Any], catalog: Catalog, today: date) -> str:
    """A digest of all that a run of ``manifest`` depends on. Models with a finer clock than a day belong in views."""
    tables = sorted(_table(source) for source in manifest["sources"].values() if not without_versions(source))
    versions = {name: _version(catalog, name) for name in tables}
    project = {part: manifest[part] for part in ("nodes", "macros", "sources")}
    state = json.dumps([versions, project, today.isoformat()], sort_keys=True, default=str)
    return hashlib.sha256(state.encode()).hexdigest()


def readers_of_unversioned(manifest: Mapping[str, Any]) -> list[dg.AssetKey]:
    """The models that read a source without versions, and those downstream of them."""
    waiting = [unique_id for unique_id, source in manifest["sources"].items() if without_versions(source)]
    reached: set[str] = set()
    while waiting:
        children = set(manifest["child_map"].get(waiting.pop(), ())) - reached
        reached |= children
        waiting += children
    nodes = (manifest["nodes"][unique_id] for unique_id in reached if unique_id in manifest["nodes"])
    built = (node for node in nodes if node["resource_type"] in ("model", "snapshot"))
    return sorted(asset_key(node) for node in built)


def _table(source: Mapping[str, Any]) -> str:
    return f"{source['schema']}.{source['identifier']}"


def _version(catalog: Catalog, name: str) -> list[object]:
    """Table id and version: a table that was made anew may well have the number of the old one."""
    if not catalog.exists(name):
        return []
    table = catalog.open(name)
    return [str(table.metadata().id), table.version()]
