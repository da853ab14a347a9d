"""What Dagster loads, as a text that a review reads: one line each asset, check, job, schedule and sensor.

    .venv/bin/python -m tests.definitions

writes it anew, to be committed with the change that it shows.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetNode

SNAPSHOT = Path(__file__).with_name("definitions.txt")


def snapshot(definitions: dg.Definitions) -> str:
    """Every definition in a line, those of a kind together and in order."""
    repository = definitions.get_repository_def()
    graph = definitions.resolve_asset_graph()
    sections = {
        "assets": sorted(_asset(graph.get(key)) for key in graph.get_all_asset_keys()),
        "checks": sorted(f"{key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys),
        "jobs": sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
        "schedules": sorted(
            f"{schedule.name}: {schedule.cron_schedule} → {schedule.job_name}, {schedule.default_status.value.lower()}"
            for schedule in repository.schedule_defs
        ),
        "sensors": sorted(
            f"{sensor.name}: each {sensor.minimum_interval_seconds} s, {sensor.default_status.value.lower()}"
            for sensor in repository.sensor_defs
        ),
    }
    return "\n".join(_text(sections))


def load(state_dir: Path) -> dg.Definitions:
    """The definitions of this project; dbt's manifest is made below ``state_dir``."""
    os.environ["LAKEHOUSE_STATE_DIR"] = str(state_dir)
    import lakehouse.definitions

    return dg.load_from_defs_folder(path_within_project=Path(lakehouse.definitions.__file__).parent)


def _asset(node: BaseAssetNode) -> str:
    kinds = ", ".join(sorted(node.kinds))
    parents = ", ".join(sorted(key.to_user_string() for key in node.parent_keys))
    return f"{node.key.to_user_string()} ({kinds}){f' ← {parents}' if parents else ''}"


def _text(sections: dict[str, list[str]]) -> Iterator[str]:
    yield "# Written by `.venv/bin/python -m tests.definitions`."
    for name, lines in sections.items():
        yield f"\n## {name}"
        yield from lines
    yield ""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        SNAPSHOT.write_text(snapshot(load(Path(directory))), encoding="utf-8")
