"""What Dagster tells of engines that count the same events."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from tests.unit.agreement.streams import CONTRACTS, SLIDING, Order, Windows, at, commit_at, found

from lakehouse.components.agreement import EngineAgreement, agreement_definitions
from lakehouse.storage import Catalog

ORDERS = [Order(n, 10 * n, cents=n) for n in range(360)]


@pytest.fixture
def counted(tmp_path: Path) -> Callable[..., EngineAgreement]:
    """The check, when the engines have counted ORDERS."""

    def count(**options: object) -> EngineAgreement:
        found(tmp_path, ORDERS, **options)  # type: ignore[arg-type]
        return EngineAgreement(CONTRACTS, Catalog(str(tmp_path)))

    return count


def lose(sliding: Windows, _: Windows) -> None:
    sliding[1200, "paid"].pop()


def run(agreement: EngineAgreement, name: str = "agreement") -> dict[str, dg.AssetCheckEvaluation]:
    """The evaluations of the check ``name``, by table."""
    assets = dg.Definitions(assets=[dg.AssetSpec(contract.table.split(".")) for contract in CONTRACTS])
    definitions = dg.Definitions.merge(assets, agreement_definitions(agreement))
    job = definitions.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance)
    found = result.get_asset_check_evaluations()
    return {each.asset_key.path[1]: each for each in found if each.check_name == name}


def test_it_is_a_check_of_every_table_that_counts(counted: Callable[..., EngineAgreement]) -> None:
    evaluations = run(counted())
    assert {table: evaluation.passed for table, evaluation in evaluations.items()} == {
        "order_metrics": True,
        "order_metrics_5min": True,
    }


def test_a_window_that_is_wrong_is_shown_beside_what_it_should_be(counted: Callable[..., EngineAgreement]) -> None:
    evaluation = run(counted(tamper=lose))["order_metrics"]
    assert not evaluation.passed
    assert evaluation.description is not None
    assert (
        "1 of 40 windows from 2026-01-01 00:05 to 2026-01-01 00:49 differ from what raw.orders"
        in evaluation.description
    )
    assert f"FROM {SLIDING} WHERE window_start = '{at(1200).isoformat()}'" in evaluation.description
    [record] = evaluation.metadata["differences"].records  # type: ignore[attr-defined]
    assert (record.data["events"], record.data["counted"], record.data["explained"]) == (30, 29, False)


@pytest.mark.parametrize(("late", "passed"), [(0, True), (1, True), (14, False)])
def test_what_a_writer_drops_is_a_share_of_what_its_windows_have(tmp_path: Path, late: int, passed: bool) -> None:
    # Each comes 1,000 seconds after it happened, when Spark has closed its five windows, of 1,200 events or so in all.
    orders = [Order(n, n * 10 - (1000 if 200 <= n < 200 + late else 0), cents=n) for n in range(360)]
    found(tmp_path, orders)
    evaluations = run(EngineAgreement(CONTRACTS, Catalog(str(tmp_path))), "late_ratio")
    # Flink keeps them apart, and tells of them itself.
    assert evaluations.keys() == {"order_metrics"}
    assert evaluations["order_metrics"].passed is passed
    assert evaluations["order_metrics"].severity is dg.AssetCheckSeverity.WARN
    assert evaluations["order_metrics"].metadata["late_events"].value == 5 * late
    assert run(EngineAgreement(CONTRACTS, Catalog(str(tmp_path))))["order_metrics"].passed


def test_the_sensor_tells_a_wrong_window_once(counted: Callable[..., EngineAgreement]) -> None:
    [sensor] = agreement_definitions(counted(tamper=lose)).sensors or []
    assert isinstance(sensor, dg.SensorDefinition)
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(first, dg.SensorResult)
        told = {(event.asset_key.path[1], event.check_name): event.passed for event in first.asset_events}  # type: ignore[union-attr]
        # What nobody explains is wrong, and not late.
        assert told == {
            ("order_metrics", "agreement"): False,
            ("order_metrics", "late_ratio"): True,
            ("order_metrics_5min", "agreement"): True,
        }
        again = sensor(dg.build_sensor_context(instance=instance, cursor=first.cursor))
    assert isinstance(again, dg.SkipReason)


def test_before_a_window_is_closed_nothing_is_said(tmp_path: Path) -> None:
    assert list(EngineAgreement(CONTRACTS, Catalog(str(tmp_path))).evaluate()) == []


def test_a_check_by_hand_that_compares_nothing_passes_nothing(
    counted: Callable[..., EngineAgreement], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commit_at(monkeypatch, at(0))
    assert run(counted()) == {}
    assert "streaming/order_metrics is not judged" in capfd.readouterr().err
