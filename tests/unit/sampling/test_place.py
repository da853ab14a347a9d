"""Where a drafted contract is put, and when it is not."""

from pathlib import Path

import pytest

from lakehouse.contracts import load_contracts
from lakehouse.sampling.place import PlaceError, place_contract, planned_file

VISITS = """\
table: raw.visits
description: One visit
owner: team:web
freshness: 1 minute
retention: 30 days
source: {topic: visits}
columns:
  - {name: at, type: timestamp, required: true}
event_time: {column: at}
"""


def test_a_valid_contract_is_written_and_loaded_among_the_others(tmp_path: Path) -> None:
    (tmp_path / "visits.yaml").write_text(VISITS)
    file = planned_file(tmp_path, "raw.clicks")
    text = VISITS.replace("raw.visits", "raw.clicks")
    assert place_contract(file, "raw.clicks", text).table == "raw.clicks"
    assert file.read_text() == text
    assert [contract.table for contract in load_contracts(tmp_path)] == ["raw.clicks", "raw.visits"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clicks.yaml", "visits.yaml"]


def test_one_that_does_not_go_with_the_others_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "visits.yaml").write_text(VISITS)
    file = planned_file(tmp_path, "raw.visits_rejected")
    with pytest.raises(PlaceError, match=r"no contract is written: visits_rejected\.yaml:1: table: .* choose another"):
        place_contract(file, "raw.visits_rejected", VISITS.replace("raw.visits", "raw.visits_rejected"))
    assert [path.name for path in tmp_path.iterdir()] == ["visits.yaml"]


def test_a_file_that_appeared_meanwhile_stays(tmp_path: Path) -> None:
    file = planned_file(tmp_path, "raw.visits")
    file.write_text("mine")
    with pytest.raises(PlaceError, match="has appeared meanwhile, and is not overwritten"):
        place_contract(file, "raw.visits", VISITS)
    assert file.read_text() == "mine"


def test_a_table_that_has_a_contract_is_refused_whatever_its_file_is_called(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(VISITS)
    with pytest.raises(PlaceError, match=r"raw\.visits has a contract already"):
        planned_file(tmp_path, "raw.visits")


def test_a_directory_that_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match="is no directory: make it, or set LAKEHOUSE_CONTRACTS_DIR"):
        planned_file(tmp_path / "nowhere", "raw.visits")
