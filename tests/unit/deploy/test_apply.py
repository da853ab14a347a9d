"""The command that removes what is rendered no more."""

import re
import textwrap

import pytest
from tests.conftest import REPOSITORY
from tests.unit.deploy.conftest import EXAMPLES
from typer.testing import CliRunner

from lakehouse.cli.main import app
from lakehouse.deploy.apply import prune_command


def kinds(command):
    return set(re.findall(r"--prune-allowlist=(\S+)", command))


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_rendered_kind_is_one_that_goes(example, rendered, values_of):
    # kubectl writes the group without a name as `core`.
    there = {
        f"{'' if '/' in each['apiVersion'] else 'core/'}{each['apiVersion']}/{each['kind']}"
        for each in rendered[example]
    }
    assert there <= kinds(prune_command(values_of(example), "rendered"))


def test_nothing_goes_that_is_not_rendered(rendered, values_of):
    there = {each["kind"] for objects in rendered.values() for each in objects}
    assert {kind.rpartition("/")[2] for kind in kinds(prune_command(values_of("production"), "rendered"))} == there


def test_a_cluster_without_the_operator_is_not_asked_for_its_kind(values_of):
    assert "PrometheusRule" not in prune_command(values_of("bare"), "rendered")


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_selects_what_was_rendered_under_this_name_alone(example, rendered, values_of):
    command = prune_command(values_of(example), "rendered")
    selector = dict(each.split("=") for each in re.findall(r"-l (\S+)", command)[0].split(","))
    assert set(selector) == {"app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"}
    assert all(selector.items() <= each["metadata"]["labels"].items() for each in rendered[example])


def test_the_guide_shows_it(values_of):
    guide = (REPOSITORY / "docs" / "how-to" / "deploy.md").read_text()
    assert textwrap.indent(prune_command(values_of("minimal"), "rendered"), "  ") in guide


def test_it_is_told_after_rendering(tmp_path, values_of):
    file = REPOSITORY / "deploy" / "helm" / "lakehouse" / "ci" / "minimal.yaml"
    told = CliRunner().invoke(
        app, ["deploy", "render", "-f", str(file), "-o", str(tmp_path / "out")], catch_exceptions=False
    )
    assert prune_command(values_of("minimal"), str(tmp_path / "out")) in told.output
