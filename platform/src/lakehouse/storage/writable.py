"""What a table must not ask of a writer that writes its files and its log entry itself."""

import json
from typing import Any

from deltalake import DeltaTable

from lakehouse.errors import LakehouseError

#: Writer features that this writer keeps, or that ask nothing of it while their property or metadata is absent.
_KEPT = frozenset(
    {
        "appendOnly",
        "changeDataFeed",
        "checkConstraints",
        "clustering",
        "domainMetadata",
        "generatedColumns",
        "identityColumns",
        "invariants",
        "timestampNtz",
    }
)
#: Properties that switch a feature on.
_REFUSED_PROPERTIES = (
    "delta.appendOnly",
    "delta.enableDeletionVectors",
    "delta.enableInCommitTimestamps",
    "delta.enableRowTracking",
)
_REFUSED_METADATA = ("delta.invariants", "delta.generationExpression", "delta.identity.start")


class UnsupportedTableError(LakehouseError):
    """The table has a feature that a merge would break."""


def check_writable(table: DeltaTable, name: str) -> None:
    """Raises UnsupportedTableError naming every feature of ``table`` that writing its files directly would break."""
    configuration = table.metadata().configuration
    fields: list[dict[str, Any]] = json.loads(table.schema().to_json())["fields"]
    problems = [
        f"writer feature {feature}" for feature in table.protocol().writer_features or () if feature not in _KEPT
    ]
    problems += [f"{key}={configuration[key]}" for key in _REFUSED_PROPERTIES if configuration.get(key) == "true"]
    problems += [f"{key}={value}" for key, value in configuration.items() if key.startswith("delta.constraints.")]
    if configuration.get("delta.columnMapping.mode", "none") != "none":
        problems.append(f"delta.columnMapping.mode={configuration['delta.columnMapping.mode']}")
    problems += [
        f"{key} of column {field['name']}" for field in fields for key in _REFUSED_METADATA if key in field["metadata"]
    ]
    if problems:
        raise UnsupportedTableError(
            f"{name} cannot be merged into, for it has {'; '.join(problems)}. Nothing was written.\n"
            "Tables that dbt creates here have none of these. Unset what was switched on, or move the table away and "
            "build it anew."
        )
