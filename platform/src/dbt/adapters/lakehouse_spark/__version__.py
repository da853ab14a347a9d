"""dbt asks each adapter for its version: this one is as new as the dbt-spark that it builds on."""

from dbt.adapters.spark.__version__ import version

__all__ = ["version"]
