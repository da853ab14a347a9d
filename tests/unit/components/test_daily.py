"""What a run that was launched without a day becomes."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from lakehouse.components.daily import INCREMENT_TAG, asked_days, ensure_day


@dg.asset(partitions_def=dg.DailyPartitionsDefinition(start_date="2026-01-01", end_offset=1))
def model(context: dg.AssetExecutionContext) -> None:
    ensure_day(context)
    assert asked_days(context) is None


@pytest.mark.parametrize(("given", "limit"), [({}, "3600"), ({"dagster/max_runtime": "7200"}, "7200")])
def test_a_run_without_a_day_is_an_increment_of_today_within_its_limit(given: dict[str, str], limit: str) -> None:
    days = {datetime.now(UTC).date().isoformat()}
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([model], instance=instance, tags=given)
        run = instance.get_run_by_id(done.run_id)
    days.add(datetime.now(UTC).date().isoformat())
    assert run is not None
    assert run.tags[INCREMENT_TAG] == "true"
    assert run.tags["dagster/max_runtime"] == limit
    assert run.tags["dagster/partition"] in days
