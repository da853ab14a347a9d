"""dbt models in Dagster: how their assets are named and shown, and when they run by themselves."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject

from lakehouse.components.daily import daily_partitions
from lakehouse.components.dbt_engine import engine_of

#: How often models follow their sources at the most; a contract above 15 minutes asks for no more.
_FOLLOW_AT_MOST = "*/5 * * * *"
#: Sources of which nobody reports a version.
_WITHOUT_VERSIONS = dg.AssetSelection.kind("postgres", include_sources=True)


def following_sources() -> dg.AutomationCondition[Any]:
    """Run when first possible, then after every change upstream, at most every five minutes.

    The change and the tick are both latched (`since_last_handled`): a change that arrives while a run is in progress
    is not lost, and a source that stands still starts nothing. A source without versions, a database, is neither
    waited for nor followed: its readers run once, and then by the schedule.
    """
    updated: dg.AutomationCondition[Any] = dg.AutomationCondition.any_deps_updated()
    tick: dg.AutomationCondition[Any] = dg.AutomationCondition.cron_tick_passed(_FOLLOW_AT_MOST)
    follow = updated.since_last_handled() & tick.since_last_handled()
    # An increment takes in what changed on any day, and goes by the last.
    latest = dg.AutomationCondition.in_latest_time_window()
    return ((_first_run() | follow) & _ready() & latest).with_label("following_sources")


def following_file() -> dg.AutomationCondition[Any]:
    """Run when missing and when the file changed: what a seed does, and a view, which reads tables as they are."""
    changed = dg.AutomationCondition.code_version_changed().since(_handled())
    return ((_first_run() | changed) & _ready()).with_label("following_file")


def _ready() -> dg.AutomationCondition[Any]:
    missing: dg.AutomationCondition[Any] = dg.AutomationCondition.any_deps_missing().ignore(_WITHOUT_VERSIONS)
    return ~missing & ~dg.AutomationCondition.in_progress()


def _handled() -> dg.AutomationCondition[Any]:
    """Not the part of `since_last_handled` that a sensor's first evaluation resets."""
    return dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()


def _first_run() -> dg.AutomationCondition[Any]:
    """Until it was asked for once. A first run that failed waits for the next reason."""
    missing: dg.AutomationCondition[Any] = dg.AutomationCondition.missing()
    return missing.newly_true().since(_handled())


def without_versions(source: Mapping[str, Any]) -> bool:
    """Whether a source of the manifest is no Delta table: dbt's `loader` says what holds it."""
    return bool(source.get("loader"))


def asset_key(node: Mapping[str, Any]) -> dg.AssetKey:
    """`schema/table`, as the Delta table of the manifest's node is named."""
    return dg.AssetKey([node["schema"], node.get("alias") or node["name"]])


def daily_models(manifest: Mapping[str, Any]) -> dict[dg.AssetKey, str]:
    """The models by the day, with the column that holds a row's time."""
    return {
        asset_key(node): node["config"]["event_time"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and daily_partitions(node)
    }


def database_sources(
    manifest: Mapping[str, Any], translator: DagsterDbtTranslator, project: DbtProject
) -> list[dg.AssetSpec]:
    """The sources that are no streaming tables, as assets that Dagster shows and nobody here writes."""
    return [
        translator.get_asset_spec(manifest, unique_id, project).replace_attributes(
            deps=[], group_name=source["source_name"], kinds={source["loader"]}
        )
        for unique_id, source in manifest["sources"].items()
        if without_versions(source)
    ]


class Translator(DagsterDbtTranslator):
    """Assets are named `schema/table`, as their Delta tables are."""

    def __init__(self, *, tests_of_sources: bool = True) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(enable_code_references=True, enable_source_tests_as_checks=tests_of_sources)
        )

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if node["resource_type"] == "source":
            return spec
        view, seed = node["config"].get("materialized") == "view", node["resource_type"] == "seed"
        kinds = {"dbt", engine_of(node).value}
        return spec.replace_attributes(
            key=asset_key(node),
            group_name=node["schema"],
            kinds=kinds if view else {*kinds, "deltalake"},
            automation_condition=following_file() if seed or view else following_sources(),
            partitions_def=daily_partitions(node),
        )

    def get_partition_mapping(
        self, dbt_resource_props: Mapping[str, Any], dbt_parent_resource_props: Mapping[str, Any]
    ) -> dg.PartitionMapping | None:
        if daily_partitions(dbt_parent_resource_props) and not daily_partitions(dbt_resource_props):
            # Days on which nothing was ordered stay missing. That of today tells that increments come.
            return dg.LastPartitionMapping()
        return None
