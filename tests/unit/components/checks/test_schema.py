"""The check `schema_drift`, on real Delta tables."""

from collections.abc import Callable

import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.components.checks.check import Present, Verdict
from lakehouse.components.checks.schema import schema_drift
from lakehouse.contracts import Contract
from lakehouse.storage import create_tables


def judged(contract: Contract, present: Present) -> Verdict:
    verdict = schema_drift().judge(contract, present)
    assert verdict is not None
    return verdict


def test_tables_as_their_contract_declares_them_pass(present: Callable[..., Present], orders: Contract) -> None:
    here = present()
    create_tables(here.catalog, orders)
    assert judged(orders, here).passed


def test_a_column_that_came_into_a_table_is_named_with_its_remedy(
    present: Callable[..., Present], orders: Contract
) -> None:
    here, check = present(), schema_drift()
    create_tables(here.catalog, orders)
    assert check.judge(orders, here) == judged(orders, here)
    row = pa.table({"ingested_at": pa.array([0], pa.timestamp("us", "UTC")), "note": ["by hand"]})
    write_deltalake(here.catalog.open("raw.orders_rejected"), row, mode="append", schema_mode="merge")
    verdict = check.judge(orders, here)
    assert verdict is not None
    assert not verdict.passed
    assert verdict.numbers == {"schema_differences": 1}
    assert "raw.orders_rejected, note: table" in verdict.text
    assert "contract has none. Remedy: change the contract back" in verdict.text


def test_a_contract_that_asks_for_more_than_the_table_has_names_the_command_that_adds_it(
    present: Callable[..., Present], orders: Contract
) -> None:
    here = present()
    create_tables(here.catalog, orders)
    channel = orders.columns[0].model_copy(update={"name": "channel", "required": False})
    wider = orders.model_copy(update={"columns": (*orders.columns, channel)})
    assert "lakehouse contracts apply raw.orders` adds it" in judged(wider, here).text


def test_of_tables_that_nobody_has_created_nothing_is_said(present: Callable[..., Present], orders: Contract) -> None:
    assert schema_drift().judge(orders, present()) is None
