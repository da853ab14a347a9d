"""The local Dagster instance, which `dagster.yaml` names: what it stores follows the settings."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import ConfigurableClassData

from lakehouse.settings import Settings, load_settings


class LocalInstance(dg.DagsterInstance):
    """Dagster's own instance with its logs in the state directory, and its runs and events there or in Postgres.

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
        settings = load_settings({"home": base_dir})
        defaults = InstanceRef.config_defaults(str(settings.state_dir / "dagster"))
        return {**defaults, "storage": _in_postgres(settings)} if settings.dagster_storage == "postgres" else defaults


def _in_postgres(settings: Settings) -> ConfigurableClassData:
    """Dagster's storage in the Postgres of ``settings``.

    Dagster hands this on to the processes of its runs as arguments, which others may see: so the password is told by
    where it is.
    """
    database: dict[str, object] = {
        "hostname": settings.postgres_host,
        "port": settings.postgres_port,
        "db_name": settings.postgres_database,
        "username": settings.postgres_user,
    }
    if settings.postgres_password.get_secret_value():
        database["password"] = {"env": "LAKEHOUSE_POSTGRES_PASSWORD"}
    else:
        database["params"] = {"passfile": str(settings.postgres_pass_file)}
    return ConfigurableClassData(
        "dagster_postgres", "DagsterPostgresStorage", yaml.safe_dump({"postgres_db": database})
    )
