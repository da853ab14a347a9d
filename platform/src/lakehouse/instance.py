"""The local Dagster instance, which `dagster.yaml` names: what it stores follows the settings."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from lakehouse.settings import load_settings


class LocalInstance(dg.DagsterInstance):
    """Dagster's own instance with its SQLite files and logs in the state directory.

    `dagster.yaml` cannot say so itself: a path there is fixed, and one taken from a variable makes that variable
    obligatory for every `dagster …` command. Two stacks of one checkout, each with a state directory of its own, thus
    keep their runs apart.
    """

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """No keys beyond Dagster's own."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Mapping[str, Any]:
        """Where things are stored. ``base_dir`` is DAGSTER_HOME, the project. Raises SettingsError."""
        return InstanceRef.config_defaults(str(load_settings({"home": base_dir}).state_dir / "dagster"))
