"""`lakehouse plan` while nothing runs, over checkpoints as Spark and the queries leave them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import DataFrame

from lakehouse.contracts import Contract, find_contract, load_contracts
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from tests.integration.command_line import REPOSITORY, CommandLine


@pytest.fixture
def settings(make_state: Callable[..., Settings], tmp_path: Path) -> Settings:
    """Of contracts of the test's own, at first those of the project."""
    directory = tmp_path / "contracts"
    directory.mkdir()
    for file in (REPOSITORY / "streaming" / "contracts").glob("*.yaml"):
        shutil.copy(file, directory)
    return make_state(tmp_path / "state", contracts_dir=directory)


def checkpoint(settings: Settings, table: str, made_with: dict[str, str]) -> None:
    """One with a batch. What it does not say it was made with is not compared."""
    directory = Path(settings.checkpoint_root) / table
    for log in ("offsets", "commits"):
        (directory / log).mkdir(parents=True)
    (directory / "offsets" / "0").write_text('v1\n{}\n{"orders.events":{"0":1}}')
    (directory / "commits" / "0").write_text("v1\n{}")
    (directory / "made_with.json").write_text(json.dumps(made_with))


def test_what_a_start_does_to_a_query_is_told_where_it_does_not_just_go_on(settings: Settings) -> None:
    catalog = Catalog.from_settings(settings)
    for contract in load_contracts(settings.contracts_dir):
        create_tables(catalog, contract)
    # With a second version it is no table that was lost.
    catalog.open("raw.orders").alter.set_table_description("In use")
    checkpoint(settings, "raw.orders", {"source": "orders.events"})
    checkpoint(settings, "streaming.order_metrics", {"window": "1 hour", "watermark": "1 hour"})
    checkpoint(settings, "streaming.customer_sessions", {"gap": "30 minutes", "watermark": "1 hour"})
    planned = CommandLine(settings).run("plan", timeout=240)
    assert planned.returncode == 1
    lines = planned.stdout.splitlines()
    assert "raw.orders" not in lines
    sessions = lines.index("streaming.customer_sessions")
    assert lines[sessions + 1 : sessions + 3] == [
        "    counts from the next start under Spark",
        "      watermark: 1 hour → 10 minutes",
    ]
    metrics = lines.index("streaming.order_metrics")
    assert lines[metrics + 1] == "  ! REFUSED: streaming.order_metrics cannot go on from its checkpoint:"
    assert "window: was 1 hour, is 5 minutes (the state holds windows of the old length)" in lines[metrics + 2]
    assert "`generation: 2`" in "\n".join(lines[metrics:])
    assert lines[-1] == "Refused: streaming.order_metrics. Nothing can be applied before that is mended."


def test_a_new_generation_over_rows_is_told_as_computing_anew(settings: Settings) -> None:
    catalog = Catalog.from_settings(settings)
    for contract in load_contracts(settings.contracts_dir):
        create_tables(catalog, contract)
    table = catalog.open("streaming.order_metrics")
    row = {"window_start": 0, "window_end": 1, "status": "paid", "order_count": 1}
    row |= {"total_amount_cents": 1, "average_amount_cents": 1.0, "processed_at": 1}
    schema = pa.schema(table.schema().to_arrow())
    write_deltalake(table, pa.Table.from_pylist([row], schema), mode="append")
    planned = json.loads(CommandLine(settings).succeed("plan", "--json"))
    steps = [step for step in planned["steps"] if step["table"] == "streaming.order_metrics"]
    assert [(step["step"], step["rows"], step["now"]) for step in steps] == [("replay", 1, False)]


def broken(_orders: DataFrame, _contract: Contract) -> DataFrame:
    raise ZeroDivisionError("a mistake in somebody's function")


def change(settings: Settings, name: str, old: str, new: str, into: str | None = None) -> None:
    """Changes the contract in the file ``name``, or has the change as another."""
    text = (settings.contracts_dir / name).read_text()
    assert old in text
    (settings.contracts_dir / (into or name)).write_text(text.replace(old, new))


def test_what_is_wrong_with_one_query_keeps_no_other_from_being_told(settings: Settings) -> None:
    catalog = Catalog.from_settings(settings)
    for table in ("raw.orders", "streaming.order_metrics", "streaming.customer_sessions"):
        create_tables(catalog, find_contract(settings.contracts_dir, table))
    checkpoint(settings, "streaming.order_metrics", {"window": "1 hour", "watermark": "1 hour"})
    change(settings, "orders.yaml", "table: raw.orders", "table: raw.others", into="others.yaml")
    write_deltalake(catalog.uri("raw.others"), pa.table({"other": [1]}))
    shipped = "lakehouse_spark.transforms.orders_deduplicated:orders_deduplicated"
    change(settings, "orders_deduplicated.yaml", shipped, f"{__name__}:broken")
    planned = CommandLine(settings, {"PYTHONPATH": str(REPOSITORY)}).run("plan", "--json", timeout=240)
    assert planned.returncode == 1, planned.stderr
    assert planned.stdout, planned.stderr
    steps = json.loads(planned.stdout)["steps"]
    refused = {step["table"]: step["reason"] for step in steps if step["step"] == "refuse"}
    assert set(refused) == {"raw.others", "streaming.order_metrics", "streaming.orders_deduplicated"}
    assert "does not match its contract" in refused["raw.others"]
    assert "ZeroDivisionError: a mistake in somebody's function" in refused["streaming.orders_deduplicated"]
    assert "streaming.order_metrics cannot go on from its checkpoint" in refused["streaming.order_metrics"]
