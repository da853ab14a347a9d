"""The dbt project as assets, the job that builds it, and its schedule."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject, dbt_assets

from lakehouse.components.build import build_models
from lakehouse.components.daily import INCREMENT_TAGS
from lakehouse.components.dbt import Translator, daily_models, database_sources
from lakehouse.components.dbt_engine import DbtEngine
from lakehouse.components.dbt_selection import selections
from lakehouse.components.schedule import source_schedule
from lakehouse.components.spark_pod import spark_pod
from lakehouse.dbt_delta.manifest import current_manifest, target_dir
from lakehouse.settings import load_settings
from lakehouse.storage.catalog import Catalog


@dg.definitions
def dbt() -> dg.Definitions:
    """Models, seeds and their tests."""
    settings = load_settings()
    manifest = json.loads(current_manifest(settings).read_text(encoding="utf-8"))
    catalog, daily = Catalog.from_settings(settings), daily_models(manifest)
    project = DbtProject(settings.dbt_dir, profiles_dir=settings.dbt_dir, target_path=target_dir(settings))

    def models(engine: DbtEngine, select: str) -> dg.AssetsDefinition:
        on_spark = engine is DbtEngine.SPARK

        @dbt_assets(
            manifest=manifest,
            project=project,
            # A check has one op, and DuckDB reads every source.
            dagster_dbt_translator=Translator(tests_of_sources=not on_spark),
            name="dbt_models_spark" if on_spark else "dbt_models",
            select=select,
            op_tags=spark_pod(settings) if on_spark else None,
            # One limit for the whole project: two runs of one model would be two writers of one table.
            pool="dbt",
            # A range of days is one run of dbt, and one commit a table.
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def build(context: dg.AssetExecutionContext, dbt_cli: DbtCliResource) -> Iterator[Any]:
            yield from build_models(context, dbt_cli, engine, catalog, daily)

        return build

    selected = selections(manifest)
    built = [models(engine, select) for engine, select in selected.items()]
    everything = dg.AssetSelection.assets(*built)
    # Steps of two engines have pods of two images, by the default executor. A run of DuckDB alone has but one step.
    executor = None if DbtEngine.SPARK in selected else dg.in_process_executor
    job = dg.define_asset_job(
        "dbt_incremental",
        selection=everything,
        description="Brings every dbt model up to the newest version of its sources.",
        executor_def=executor,
    )
    backfill = dg.define_asset_job(
        "dbt_backfill",
        selection=sorted(daily),
        description="Computes the days of a range anew, in all models by the day, and takes in what changed besides.",
        executor_def=executor,
    )
    return dg.Definitions(
        assets=[*database_sources(manifest, Translator(), project), *built],
        jobs=[job, backfill],
        schedules=[source_schedule("dbt_every_15_minutes", "*/15 * * * *", job, manifest, catalog)],
        sensors=[
            dg.AutomationConditionSensorDefinition(
                "follow_sources",
                target=everything,
                minimum_interval_seconds=15,
                run_tags=INCREMENT_TAGS,
                default_status=dg.DefaultSensorStatus.RUNNING,
            )
        ],
        # dbt of the very environment that runs Dagster, activated or not.
        resources={
            "dbt_cli": DbtCliResource(project_dir=project, dbt_executable=str(Path(sys.executable).with_name("dbt")))
        },
    )
