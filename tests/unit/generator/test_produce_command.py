"""`lakehouse produce` as far as it goes without a broker."""

import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from lakehouse.cli.produce import produce
from lakehouse.generator.config import GeneratorError
from lakehouse.generator.producer import ProduceError


def run(*arguments: str, port: int = 1, state: Path = Path("/nonexistent")) -> Result:
    app = typer.Typer()
    app.command()(produce)
    environment = {
        "LAKEHOUSE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
        "LAKEHOUSE_STATE_DIR": str(state),
        "COLUMNS": "200",
    }
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_help_teaches_by_example() -> None:
    output = run("--help").output
    assert "lakehouse produce --events 100000" in output
    assert "Default: 3 days" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--late", "1.5"), "late=1.5: expected a fraction from 0 to 1"),
        (("--events", "0"), "events=0: expected a number above 0"),
        (("--rate", "0"), "rate=0.0: expected a number above 0"),
        (("--events", "5", "--span", "3"), "--span '3' is not a duration"),
        (("--rate", "5", "--span", "3 days"), "--span '3 days' goes with --events alone"),
    ],
)
def test_a_bad_option_is_named_with_what_was_expected(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert isinstance(result.exception, GeneratorError)
    assert message in str(result.exception)


def test_a_broker_out_of_reach_is_named_with_the_next_step_and_leaves_no_files(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        port = taken.getsockname()[1]
        result = run("--events", "5", port=port, state=tmp_path)
    assert isinstance(result.exception, ProduceError)
    assert f"127.0.0.1:{port}" in str(result.exception)
    assert "lakehouse up" in str(result.exception)
    assert not list(tmp_path.iterdir())
