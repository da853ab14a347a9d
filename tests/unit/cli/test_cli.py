"""The command line, as a user types it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner, Result

from lakehouse.cli.main import app
from lakehouse.contracts import load_contract
from lakehouse.dbt_delta.views import ViewCatalogue
from lakehouse.storage import Catalog, create_tables

CONTRACT = (Path(__file__).parents[3] / "streaming" / "contracts" / "orders.yaml").read_text()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one contract, as the current directory, and settings of its own."""
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    (tmp_path / "streaming" / "contracts").mkdir(parents=True)
    (tmp_path / "streaming" / "contracts" / "orders.yaml").write_text(CONTRACT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def table(project: Path) -> None:
    rows = pa.table({"id": [1, 2], "name": ["a", None], "at": pa.array([0, 10**6], pa.timestamp("us", "UTC"))})
    write_deltalake(project / ".lakehouse" / "tables" / "raw" / "things", rows)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    "command",
    [
        *(["up"], ["down"], ["status"], ["plan"], ["apply"], ["choose"], ["add"]),
        *(["logs"], ["doctor"], ["produce"], ["query"], ["maintain"]),
        *(
            ["contracts", "check"],
            ["contracts", "list"],
            ["contracts", "show"],
            ["contracts", "generate"],
            ["contracts", "apply"],
        ),
    ],
)
def test_help_teaches_by_example(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"lakehouse {' '.join(command)}" in result.output.split("Examples")[1]


def test_help_loads_nothing_heavy() -> None:
    heavy = (
        "{'dagster', 'pyspark', 'duckdb', 'deltalake', 'pyarrow', 'kafka', 'confluent_kafka', 'supervisor', 'pandas'}"
    )
    code = f"import sys, lakehouse.cli.main; print(sorted({heavy} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"


@pytest.mark.usefixtures("table")
def test_query_prints_json() -> None:
    result = run("query", "--format", "json", "SELECT * FROM raw.things ORDER BY id")
    assert json.loads(result.output) == [
        {"id": 1, "name": "a", "at": "1970-01-01 00:00:00+00"},
        {"id": 2, "name": None, "at": "1970-01-01 00:00:01+00"},
    ]


@pytest.mark.usefixtures("table")
def test_query_prints_csv() -> None:
    result = run("query", "--format", "csv", "SELECT * FROM raw.things ORDER BY id")
    assert result.output == "id,name,at\n1,a,1970-01-01 00:00:00+00\n2,,1970-01-01 00:00:01+00\n"


@pytest.mark.usefixtures("table")
def test_query_prints_a_table() -> None:
    assert "varchar" in run("query", "SELECT name FROM raw.things").output


@pytest.mark.usefixtures("table")
def test_query_without_rows_is_an_empty_array() -> None:
    assert json.loads(run("query", "--format", "json", "SELECT * FROM raw.things WHERE false").output) == []


@pytest.mark.usefixtures("table")
def test_an_unknown_table_lists_the_known_ones() -> None:
    result = run("query", "SELECT * FROM raw.nothing")
    assert result.exit_code == 1
    assert "Tables: raw.things" in result.output


@pytest.mark.usefixtures("table")
def test_bad_sql_gives_duckdbs_message_without_traceback() -> None:
    result = run("query", "SELEC 1")
    assert result.exit_code == 1
    assert "syntax error" in result.output
    assert "Traceback" not in result.output


@pytest.mark.usefixtures("project")
def test_contracts_check_and_list_and_show() -> None:
    assert "1 contract in" in run("contracts", "check").output
    assert "raw.orders" in run("contracts", "list").output
    assert "# engine:          spark" in run("contracts", "show", "raw.orders").output


def test_a_bad_contract_is_named_with_its_line(project: Path) -> None:
    file = project / "streaming" / "contracts" / "orders.yaml"
    file.write_text(CONTRACT.replace("freshness: 1 minute", "freshness: soon"))
    result = run("contracts", "check")
    assert result.exit_code == 1
    assert "orders.yaml:5: freshness: 'soon' is not a duration" in result.output


@pytest.fixture
def view(project: Path, table: None) -> ViewCatalogue:
    """The dbt view marts.named, published as dbt does."""
    catalogue = ViewCatalogue(
        project / ".lakehouse" / "lakehouse.duckdb", Catalog(str(project / ".lakehouse" / "tables"))
    )
    catalogue.publish("marts.named", "SELECT id FROM raw.things WHERE name IS NOT NULL")
    return catalogue


@pytest.mark.usefixtures("view")
def test_query_shows_the_views_of_dbt() -> None:
    assert json.loads(run("query", "--format", "json", "SELECT * FROM marts.named").output) == [{"id": 1}]


def test_query_shows_a_view_over_another(view: ViewCatalogue) -> None:
    view.publish("marts.counted", "SELECT count(*) AS n FROM marts.named")
    assert json.loads(run("query", "--format", "json", "SELECT * FROM marts.counted").output) == [{"n": 1}]


@pytest.mark.usefixtures("view")
def test_query_of_a_view_whose_table_is_gone_says_why(project: Path) -> None:
    shutil.rmtree(project / ".lakehouse" / "tables" / "raw" / "things")
    result = run("query", "SELECT * FROM marts.named")
    assert result.exit_code == 1
    assert "The view marts.named cannot be shown" in result.output
    assert "dbt build --select named" in result.output


def test_generated_files_are_written_and_then_current(project: Path) -> None:
    outdated = run("contracts", "generate", "--check")
    assert outdated.exit_code == 1
    assert "lakehouse contracts generate`" in outdated.output
    assert not (project / "dbt").exists()
    assert run("contracts", "generate").exit_code == 0
    assert run("contracts", "generate", "--check").exit_code == 0
    (project / "dbt" / "models" / "sources.yml").write_text("changed by hand")
    assert run("contracts", "generate", "--check").exit_code == 1


def test_a_changed_retention_is_applied_to_the_tables_there_are(project: Path) -> None:
    contract = project / "streaming" / "contracts" / "orders.yaml"
    catalog = Catalog(str(project / ".lakehouse" / "tables"))
    create_tables(catalog, load_contract(contract))
    assert "has what its contract asks for" in run("contracts", "apply", "raw.orders").output
    contract.write_text(CONTRACT.replace("retention: 30 days", "retention: 60 days"))
    assert (
        "raw.orders: delta.logRetentionDuration = interval 5184000 seconds"
        in run("contracts", "apply", "raw.orders").output
    )
    create_tables(catalog, load_contract(contract))


def test_status_before_the_first_start(project: Path) -> None:
    answer = json.loads(run("status", "--json").output)
    assert {part["state"] for part in answer["parts"]} == {"STOPPED"}
    assert answer["tables"][0]["table"] == "raw.orders"
    assert answer["tables"][0]["version"] is None
    assert not (project / ".lakehouse").exists()


@pytest.mark.usefixtures("project")
def test_down_with_nothing_running() -> None:
    assert "Nothing of" in run("down").output


@pytest.mark.usefixtures("project")
def test_an_unknown_part_lists_the_parts() -> None:
    for command in (["logs", "flink"], ["up", "--only", "kafka,flink"]):
        result = run(*command)
        assert result.exit_code == 1
        assert "'flink'. Parts: kafka, postgres, spark" in result.output


@pytest.mark.usefixtures("project")
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_KAFKA_PORT", "many")
    result = run("status")
    assert result.exit_code == 1
    assert "LAKEHOUSE_KAFKA_PORT='many'" in result.output


def test_maintain_tells_what_it_would_do_and_then_does_it(project: Path) -> None:
    contract = project / "streaming" / "contracts" / "orders.yaml"
    contract.write_text(f"{CONTRACT}\nmaintenance: {{small_files: 2}}\n")
    catalog = Catalog(str(project / ".lakehouse" / "tables"))
    for number in range(2):
        write_deltalake(catalog.uri("raw.orders"), pa.table({"number": [number]}), mode="append")
    would = run("maintain", "--dry-run")
    assert would.exit_code == 0, would.output
    assert "raw.orders: 2 files" in would.output
    assert "would compact the table" in would.output
    assert catalog.open("raw.orders").version() == 1
    did = run("maintain", "raw.orders")
    assert "→ 1 of" in did.output
    assert "compacted the table" in did.output
    (told,) = json.loads(run("maintain", "--json").output)
    assert (told["table"], told["before"]["files"], told["compaction"]["partitions"]) == ("raw.orders", 1, [])


def test_maintain_names_the_tables_there_are(project: Path, table: None) -> None:
    result = run("maintain", "raw.nothing")
    assert result.exit_code == 1
    assert "Tables: raw.things" in result.output
