"""New columns at the end of a table's schema, as the actions that a commit needs beside its files."""

import json
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, Schema

from lakehouse.storage.log import Action

#: What the writer versions before 7, which name no features, ask of a writer.
_BEFORE_FEATURES = ("appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns")
_NTZ = "timestampNtz"


def added_columns(table: DeltaTable, columns: pa.Schema) -> list[Action]:
    """The metadata of ``table`` with ``columns`` added, and the protocol where their types ask for more of it."""
    schema: dict[str, Any] = json.loads(table.schema().to_json())
    new = [{**field, "nullable": True} for field in json.loads(Schema.from_arrow(columns).to_json())["fields"]]
    schema["fields"] += new
    metadata = table.metadata()
    actions: list[Action] = [
        {
            "metaData": {
                "id": str(metadata.id),
                "name": metadata.name,
                "description": metadata.description,
                "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps(schema, separators=(",", ":")),
                "partitionColumns": list(metadata.partition_columns),
                "createdTime": metadata.created_time,
                "configuration": dict(metadata.configuration),
            }
        }
    ]
    protocol = table.protocol()
    if "timestamp_ntz" in json.dumps(new) and _NTZ not in (protocol.writer_features or ()):
        readers, writers = protocol.reader_features or (), protocol.writer_features or _BEFORE_FEATURES
        features = {"readerFeatures": [*readers, _NTZ], "writerFeatures": [*writers, _NTZ]}
        actions.append({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})
    return actions
