"""What every reference model has: a description, an owner, an enforced contract, described columns, tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests.lakehouse_dbt import parse

MODELS = (
    *("dim_customers", "dim_fx_rates", "stg_orders", "fct_orders_daily", "fct_daily_revenue", "rpt_orders"),
    "mart_order_metrics",
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return parse(tmp_path_factory.mktemp("manifest"))


def nodes(manifest: Manifest) -> Iterator[Any]:
    yield from (node for node in manifest.nodes.values() if node.resource_type in ("model", "seed"))
    # A model over streams that are not there yet.
    yield from (node for versions in manifest.disabled.values() for node in versions if node.resource_type == "model")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_says_what_it_is_and_whose(manifest: Manifest, name: str) -> None:
    (model,) = (node for node in nodes(manifest) if node.name == name)
    assert model.description
    assert model.config.group in {group.name for group in manifest.groups.values()}
    assert model.columns
    assert [column.name for column in model.columns.values() if not column.description] == []


@pytest.mark.parametrize("name", [name for name in MODELS if name != "dim_fx_rates"])
def test_a_model_keeps_a_contract(manifest: Manifest, name: str) -> None:
    (model,) = (node for node in nodes(manifest) if node.name == name)
    assert model.config.contract.enforced
    assert [column.name for column in model.columns.values() if not column.data_type] == []


@pytest.mark.parametrize("name", MODELS[:-1])
def test_a_model_is_tested(manifest: Manifest, name: str) -> None:
    attached = [node for node in manifest.nodes.values() if getattr(node, "attached_node", None)]
    assert [node.name for node in attached if node.attached_node.endswith(f".{name}")]


def test_no_model_is_left_out_here(manifest: Manifest) -> None:
    assert {node.name for node in nodes(manifest)} == set(MODELS)


def test_every_mart_that_people_read_is_part_of_an_exposure(manifest: Manifest) -> None:
    exposed = {name.split(".")[-1] for exposure in manifest.exposures.values() for name in exposure.depends_on.nodes}
    assert {"rpt_orders", "fct_daily_revenue", "dim_customers"} <= exposed
