"""The customers who place the orders."""

import numpy as np
import pyarrow.compute as pc
import pytest

from lakehouse.generator.customers import SCHEMA, customer_ids, customers


def test_they_are_the_same_every_time() -> None:
    assert customers(500).equals(customers(500))
    assert customers(500).schema == SCHEMA


def test_more_customers_leave_the_first_as_they_are() -> None:
    few = customers(200)
    assert customers(1000).slice(0, few.num_rows).equals(few)


def test_identifiers_are_those_that_orders_carry() -> None:
    assert set(customers(300)["customer_id"].to_pylist()) < set(customer_ids(np.arange(300)).to_pylist())


def test_one_in_a_hundred_is_unknown() -> None:
    assert customers(10_000).num_rows == pytest.approx(9_900, abs=40)


def test_addresses_are_unique_and_of_a_domain_nobody_owns() -> None:
    emails = customers(5000)["email"].to_pylist()
    assert len(set(emails)) == len(emails)
    assert all(email.endswith("@example.com") for email in emails)


def test_rows_changed_after_they_were_made() -> None:
    table = customers(5000)
    assert pc.all(pc.less_equal(table["created_at"], table["updated_at"])).as_py()
    assert set(table["segment"].to_pylist()) == {"consumer", "business", "enterprise"}
