"""`lakehouse choose`: its answers, word for word."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lakehouse.cli.main import app
from lakehouse.contracts.rules import RULES

SHIPPED = Path(__file__).parents[3] / "streaming" / "contracts"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the shipped contract of orders and one that Flink writes without need, as current directory."""
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    directory = tmp_path / "streaming" / "contracts"
    directory.mkdir(parents=True)
    orders = (SHIPPED / "orders.yaml").read_text()
    (directory / "orders.yaml").write_text(orders)
    visits = orders.replace("raw.orders", "raw.visits").replace("engine: auto", "engine: flink")
    workload = "workload:\n  team: [sql]\n  events_per_second: 48300\n"
    (directory / "visits.yaml").write_text(visits.replace("engine: flink\n", f"engine: flink\n{workload}"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["choose", *arguments], input=typed)


@pytest.mark.usefixtures("project")
def test_of_a_contract() -> None:
    assert (
        run("raw.orders").stdout
        == """\
raw.orders: spark
  rule      micro-batches: from 30 seconds to 15 minutes micro-batches are fresh enough, and easier to operate
            than Flink
            as for: order events as rows, a minute old
            from: Rule of thumb: Spark from 30 s to 15 min
  asked     freshness 1 minute, source kafka, consumers analysts and other
  warnings  none
  cost      1,400 MB always; cores: 1.2 s a batch ÷ 10 seconds + events/s ÷ 186,000 events a CPU-second
  otherwise flink, were freshness below 10 seconds
  otherwise flink, were needs with event-time or event-patterns or stream-join or temporal-join or iteration
            or exactly-once-end-to-end
  otherwise flink, were events per second above 1,000,000
"""
    )


@pytest.mark.usefixtures("project")
def test_of_a_contract_whose_engine_the_rules_speak_against() -> None:
    assert (
        run("raw.visits").stdout
        == """\
raw.visits: flink, as the contract names it
  rule      micro-batches: from 30 seconds to 15 minutes micro-batches are fresh enough, and easier to operate
            than Flink
            as for: order events as rows, a minute old
            from: Rule of thumb: Spark from 30 s to 15 min
  asked     freshness 1 minute, team sql, events per second 48,300, source kafka, consumers analysts and other
  warning   the rules choose spark (micro-batches): from 30 seconds to 15 minutes micro-batches are fresh
            enough, and easier to operate than Flink
  warning   red flag no-jvm: the team never ran a JVM streaming system: state, savepoints and upgrades have to
            be learned first
  cost      1,130 MB always; cores: about 0.1 = 48,300 events/s ÷ 483,000 events a CPU-second
  otherwise flink, were freshness below 10 seconds
  otherwise flink, were needs with event-time or event-patterns or stream-join or temporal-join or iteration
            or exactly-once-end-to-end
  otherwise flink, were events per second above 1,000,000
"""
    )


@pytest.mark.usefixtures("project")
def test_of_all_contracts() -> None:
    assert (
        run("--all").stdout
        == """\
table       freshness  engine        rule           cores  warnings
raw.orders  1 minute   spark (auto)  micro-batches  ?      0
raw.visits  1 minute   flink         micro-batches  0.1    2
  ! the rules choose spark (micro-batches): from 30 seconds to 15 minutes micro-batches are fresh enough, and
    easier to operate than Flink
  ! red flag no-jvm: the team never ran a JVM streaming system: state, savepoints and upgrades have to be
    learned first
"""
    )


@pytest.mark.usefixtures("project")
def test_of_options() -> None:
    options = ["--source", "database", "--consumer", "bi", "--team", "sql", "--rows-per-run", "5000000"]
    assert (
        run("--freshness", "1 hour", *options).stdout
        == """\
dbt
  rule      databases: above 15 minutes tables that queries can read need no stream: a scheduled model is
            enough
            as for: customers from the shop's Postgres, every half hour
            from: Rule of thumb: dbt above 15 minutes, from a database or warehouse
  asked     freshness 1 hour, team sql, rows per run 5,000,000, source database, consumers bi
  warnings  none
  cost      410 MB while it runs; cores: about 0.017 = (5.3 s a run + 5,000,000 rows ÷ 200,000 rows a
            CPU-second) ÷ 30 minutes
  otherwise spark, were freshness 15 minutes or less
  otherwise flink, were freshness below 10 seconds
  otherwise spark, were source kafka or kinesis or cdc
  otherwise spark, were consumers with reactions
  otherwise flink, were needs with event-time or event-patterns or stream-join or temporal-join or iteration
            or exactly-once-end-to-end
  otherwise flink, were events per second above 1,000,000
  otherwise spark, were rows per run 100,000,000 or more
"""
    )


@pytest.mark.usefixtures("project")
def test_options_replace_what_a_contract_says() -> None:
    first = run("raw.orders", "--freshness", "5 seconds").stdout.splitlines()[0]
    assert first == "raw.orders: flink"


@pytest.mark.usefixtures("project")
def test_a_file_is_a_contract_too() -> None:
    assert run("streaming/contracts/orders.yaml").stdout == run("raw.orders").stdout


@pytest.mark.usefixtures("project")
def test_between_10_and_30_seconds_it_says_that_no_rule_of_thumb_speaks() -> None:
    answer = run("--freshness", "20 seconds").stdout
    assert answer.startswith("spark\n  rule      between: between 10 and 30 seconds no rule of thumb speaks;")


@pytest.mark.usefixtures("project")
def test_the_questions_lead_to_the_same_answer_as_options() -> None:
    answers = ["1 hour", "database", "bi", "", "sql", "", "", "5,000,000", ""]
    result = run(typed="\n".join(answers) + "\n")
    options = ["--source", "database", "--consumer", "bi", "--team", "sql", "--rows-per-run", "5000000"]
    assert result.stdout.endswith("\n" + run("--freshness", "1 hour", *options).stdout)  # What was typed comes first.


@pytest.mark.usefixtures("project")
def test_a_wrong_answer_is_told_and_asked_for_again() -> None:
    answers = ["soon", "1 minute", "fax", "kafka", "", "", "", "", "minus two", "-2", "1_000", "", ""]
    result = run(typed="\n".join(answers) + "\n")
    assert result.exit_code == 0, result.output
    assert "'soon' is not a duration: expected a number and a unit" in result.stderr
    assert "'fax' is no answer. Answers: database, warehouse, kafka" in result.stderr
    assert "'minus two' is no number: expected one above 0, or nothing" in result.stderr
    assert "'-2' is out of range: expected a number above 0, or nothing" in result.stderr
    assert "freshness 1 minute, events per second 1,000, source kafka" in result.stdout


@pytest.mark.usefixtures("project")
def test_json_tells_scripts_all_of_it() -> None:
    answer: dict[str, Any] = json.loads(run("raw.visits", "--json").stdout)
    assert (answer["table"], answer["engine"], answer["chosen"]) == ("raw.visits", "flink", "spark")
    assert answer["rule"]["name"] in {rule.name for rule in RULES}
    assert [flag["name"] for flag in answer["red_flags"]] == ["no-jvm"]
    assert len(answer["warnings"]) == 2
    assert {"input": "freshness", "to": "below 10 seconds", "engine": "flink", "rule": "seconds"} in answer["changes"]
    assert answer["cost"] == {
        "cores": pytest.approx(0.1),
        "memory_mb": 1130,
        "formula": "48,300 events/s ÷ 483,000 events a CPU-second",
        "always": True,
    }
    assert answer["workload"]["team"] == ["sql"]
    everything = json.loads(run("--all", "--json").stdout)
    assert [one["table"] for one in everything] == ["raw.orders", "raw.visits"]
    assert everything[1] == answer


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--source", "kafka"],
            "--freshness is missing: the rules go by it first. Give one, as --freshness '1 minute'",
        ),
        (["--json"], "--freshness is missing"),
        (["--freshness", "soon"], "--freshness: 'soon' is not a duration: expected a number and a unit"),
        (["--freshness", "1 s", "--events-per-second", "0"], "--events-per-second: 0.0 is no value: Input should be"),
        (["raw.nothing"], "no contract declares 'raw.nothing'. Declared: raw.orders, raw.visits"),
        (["nothing.yaml"], "nothing.yaml:1: cannot be read"),
        (["raw.orders", "--all"], "--all shows every contract as it is"),
        (["--all", "--need", "windows"], "--all shows every contract as it is"),
    ],
)
def test_what_cannot_be_answered_is_told(arguments: list[str], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert told in result.stderr


@pytest.mark.usefixtures("project")
def test_contracts_check_and_show_warn_of_an_engine_that_does_not_fit() -> None:
    checked = CliRunner().invoke(app, ["contracts", "check"])
    assert checked.exit_code == 0
    assert "raw.visits: flink: the rules choose spark (micro-batches)" in checked.stderr
    assert "raw.visits: flink: red flag no-jvm" in checked.stderr
    assert "raw.orders" not in checked.stderr
    shown = CliRunner().invoke(app, ["contracts", "show", "raw.visits"]).stdout
    assert "# warning:         red flag no-jvm" in shown
