"""The contracts that applications work by, each with a note of its own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import Contract, load_contracts
from lakehouse.settings import Settings
from lakehouse_spark.noted import note_contracts, noted_contracts


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "state")


@pytest.fixture
def contracts() -> list[Contract]:
    return load_contracts(Path(__file__).parents[3] / "streaming" / "contracts")[:2]


def test_what_one_group_notes_leaves_what_another_has_noted(settings: Settings, contracts: list[Contract]) -> None:
    for contract, group in zip(contracts, ("fast", "slow"), strict=True):
        note_contracts(settings, [contract], group)
    assert noted_contracts(settings) == {contract.table: contract.writer_fields() for contract in contracts}


def test_a_group_replaces_what_it_has_noted_itself(settings: Settings, contracts: list[Contract]) -> None:
    note_contracts(settings, contracts, "fast")
    note_contracts(settings, contracts[:1], "fast")
    assert set(noted_contracts(settings)) == {contracts[0].table}


def test_a_contract_that_moved_is_told_by_the_group_that_started_last(
    settings: Settings, contracts: list[Contract]
) -> None:
    before, after = contracts[0], contracts[0].model_copy(update={"owner": "another"})
    note_contracts(settings, [before], "beta")
    # Two files of one test are as old as each other, by the clock of many file systems.
    os.utime(settings.run_dir / "spark-contracts.beta.json", (0, 0))
    note_contracts(settings, [after], "alpha")
    assert noted_contracts(settings) == {after.table: after.writer_fields()}


def test_one_that_runs_all_takes_over_from_the_groups(settings: Settings, contracts: list[Contract]) -> None:
    note_contracts(settings, contracts, "fast")
    note_contracts(settings, contracts[:1])
    assert set(noted_contracts(settings)) == {contracts[0].table}
