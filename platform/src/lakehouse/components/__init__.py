"""Dagster components: what a folder below ``defs/`` is made of."""

from lakehouse.components.streaming import StreamingTables

__all__ = ["StreamingTables"]
