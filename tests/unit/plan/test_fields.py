"""How two versions of a contract differ."""

import json

from tests.contracts import visits_contract

from lakehouse.plan.fields import changed_fields
from lakehouse.plan.steps import Changed

AT = {"name": "at", "type": "timestamp", "required": True}
BEFORE = visits_contract([AT]).writer_fields()


def test_the_same_contract_differs_in_nothing() -> None:
    assert changed_fields(BEFORE, visits_contract([AT]).writer_fields()) == ()


def test_fields_go_by_their_dotted_names() -> None:
    after = visits_contract([AT], source={"topic": "visits", "starting_offsets": "latest"}).writer_fields()
    assert changed_fields(BEFORE, after) == (Changed("source.starting_offsets", "earliest", "latest"),)


def test_columns_go_by_their_own() -> None:
    note = {"name": "note", "type": "string", "description": "What was said"}
    after = visits_contract([AT, note]).writer_fields()
    added = Changed("columns.note", None, "string, description: What was said")
    assert changed_fields(BEFORE, after) == (added,)
    assert changed_fields(after, BEFORE) == (Changed("columns.note", added.after, None),)


def test_lists_of_names_are_one_value() -> None:
    after = visits_contract([AT], consumers=["web", "sales"]).writer_fields()
    assert changed_fields(BEFORE, after) == (Changed("consumers", "", "web, sales"),)


def test_a_whole_part_that_is_new_is_told_by_its_fields() -> None:
    after = {**BEFORE, "late": "raw.late", "event_time": {**BEFORE["event_time"], "watermark": "30 seconds"}}
    assert {change.field for change in changed_fields(BEFORE, after)} == {"late", "event_time.watermark"}


def test_the_order_in_which_a_note_was_written_is_no_difference() -> None:
    sorted_note = json.loads(json.dumps(BEFORE, sort_keys=True))
    assert changed_fields(sorted_note, BEFORE) == ()


def test_what_checks_maintenance_and_the_choice_of_an_engine_need_is_not_the_writers() -> None:
    others = {
        "tolerance": "1 hour",
        "cluster_by": ["at"],
        "maintenance": {"small_files": 5},
        "checks": {"consumer_lag": 5},
        "workload": {"team": ["sql"]},
        "source": {"topic": "visits", "losses_acknowledged_until": "2026-01-01T00:00:00Z"},
    }
    assert visits_contract([AT], **others).writer_fields() == BEFORE


def test_the_lineage_of_a_column_is_not_the_writers() -> None:
    plain, told = (
        visits_contract(
            [{**AT, **lineage}],
            on_invalid="drop",
            source={"topic": "visits", "columns": [AT], "event_time": "at"},
            transform={"function": "some.module:function", "mode": "append"},
        )
        for lineage in ({}, {"derived_from": ["at"]})
    )
    assert plain.writer_fields() == told.writer_fields()
