"""Programs go by a copy of the contracts: an edit that nobody applied concerns none of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import load_contracts
from lakehouse.local.applied import (
    EntangledError,
    applied_dir,
    apply_files,
    apply_tables,
    declared_dir,
    digest,
    is_applied,
)
from lakehouse.local.java import Java
from lakehouse.local.programs import declare_programs
from lakehouse.settings import Settings

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    for name in ("orders.yaml", "order_metrics.yaml"):
        (contracts / name).write_text((REPOSITORY / "streaming" / "contracts" / name).read_text())
    return make_settings(tmp_path / "state", contracts_dir=contracts)


def edit(settings: Settings) -> None:
    file = settings.contracts_dir / "orders.yaml"
    file.write_text(file.read_text().replace("freshness: 1 minute", "freshness: 5 seconds"))


def test_the_copy_is_whole_and_stays_as_it_was_applied(settings: Settings) -> None:
    assert not is_applied(settings)
    apply_files(settings)
    assert is_applied(settings)
    before = load_contracts(applied_dir(settings))
    assert before == load_contracts(settings.contracts_dir)
    edit(settings)
    assert not is_applied(settings)
    assert load_contracts(applied_dir(settings)) == before


def test_applying_again_takes_over_what_was_edited_added_and_deleted(settings: Settings) -> None:
    apply_files(settings)
    edit(settings)
    (settings.contracts_dir / "order_metrics.yaml").unlink()
    apply_files(settings)
    assert [file.name for file in applied_dir(settings).glob("*.yaml")] == ["orders.yaml"]
    assert digest(applied_dir(settings)) == digest(settings.contracts_dir)
    assert len(list(settings.run_dir.glob("contracts-*"))) == 1


def test_one_contract_is_applied_by_itself_and_all_others_stay_as_they_were(settings: Settings) -> None:
    apply_files(settings)
    edit(settings)
    metrics = settings.contracts_dir / "order_metrics.yaml"
    metrics.write_text(metrics.read_text().replace("owner: team:", "owner: team:new-"))
    before = load_contracts(applied_dir(settings))
    for _again in range(2):
        apply_tables(settings, ["raw.orders"])
        now = load_contracts(applied_dir(settings))
        assert [contract.owner for contract in now] == [contract.owner for contract in before]
        assert [contract.table for contract in now if contract not in before] == ["raw.orders"]
    # Dagster and the exporter have read none of it.
    assert not is_applied(settings)
    apply_files(settings)
    assert is_applied(settings)


def test_a_contract_whose_columns_another_one_takes_is_not_applied_by_itself(settings: Settings) -> None:
    apply_files(settings)
    orders = settings.contracts_dir / "orders.yaml"
    orders.write_text(orders.read_text().replace("columns:", "columns:\n  - {name: note, type: string}", 1))
    before = digest(applied_dir(settings))
    for table in ("raw.orders", "streaming.order_metrics"):
        with pytest.raises(EntangledError, match=rf"{table}: streaming.order_metrics shares columns.*apply"):
            apply_tables(settings, [table])
    assert digest(applied_dir(settings)) == before
    assert len(list(settings.run_dir.glob("contracts-*"))) == 1
    apply_tables(settings, ["raw.orders", "streaming.order_metrics"])


def test_a_table_whose_file_declares_another_one_now_does_not_vanish(settings: Settings) -> None:
    (settings.contracts_dir / "order_metrics.yaml").unlink()
    apply_files(settings)
    orders = settings.contracts_dir / "orders.yaml"
    orders.write_text(orders.read_text().replace("table: raw.orders", "table: raw.orders2"))
    before = digest(applied_dir(settings))
    with pytest.raises(EntangledError, match=r"raw.orders: its file declares another table now.*apply"):
        apply_tables(settings, ["raw.orders2"])
    assert digest(applied_dir(settings)) == before
    assert len(list(settings.run_dir.glob("contracts-*"))) == 1


def test_a_program_of_the_stack_finds_the_contracts_that_people_change(settings: Settings) -> None:
    apply_files(settings)
    inside = settings.model_copy(update={"contracts_dir": applied_dir(settings)})
    assert declared_dir(inside) == declared_dir(settings) == settings.contracts_dir


def test_what_a_kill_in_mid_copy_left_disturbs_nothing(settings: Settings) -> None:
    apply_files(settings)
    edit(settings)
    half = settings.run_dir / f"contracts-{digest(settings.contracts_dir)[:16]}"
    half.mkdir()
    (half / "orders.yaml").write_text("table: ra")
    (settings.run_dir / "contracts.next").symlink_to("nowhere")
    assert not is_applied(settings)
    apply_files(settings)
    assert is_applied(settings)


def test_every_program_reads_the_copy(settings: Settings) -> None:
    programs = declare_programs(settings, Java(Path("/java"), 17), 1.0, load_contracts(settings.contracts_dir))
    assert {program.environment["LAKEHOUSE_CONTRACTS_DIR"] for program in programs} == {str(applied_dir(settings))}
