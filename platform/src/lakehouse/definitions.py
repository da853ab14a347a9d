"""What Dagster loads. Everything stands in ``defs/``, one folder an integration."""

from pathlib import Path

import dagster as dg


@dg.definitions
def lakehouse() -> dg.Definitions:
    """Every asset, job, schedule and sensor of the platform."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
