"""Contracts for tests that need one of their own."""

from collections.abc import Sequence

from lakehouse.contracts import Contract


def visits_contract(columns: Sequence[object], **overrides: object) -> Contract:
    """A contract of `raw.visits` over the topic `visits`, with ``columns``, one of them the required timestamp `at`."""
    fields = {
        "table": "raw.visits",
        "description": "One visit",
        "owner": "team:web",
        "freshness": "1 minute",
        "retention": "7 days",
        "source": {"topic": "visits"},
        "columns": columns,
        "event_time": {"column": "at"},
    }
    return Contract.model_validate({**fields, **overrides})
