"""What a sensor knows at its next tick even where this one fails: of a tick that raises, Dagster drops the cursor."""

import json
from typing import Any

import dagster as dg


def remembered(instance: dg.DagsterInstance, sensor: str) -> Any:
    """What was last given to ``remember``; None before."""
    stored = instance.daemon_cursor_storage.get_cursor_values({_key(sensor)})
    return json.loads(stored[_key(sensor)]) if stored else None


def remember(instance: dg.DagsterInstance, sensor: str, what: Any) -> None:
    """Stores ``what``, which JSON can say, at once."""
    instance.daemon_cursor_storage.set_cursor_values({_key(sensor): json.dumps(what)})


def _key(sensor: str) -> str:
    return f"lakehouse/{sensor}"
