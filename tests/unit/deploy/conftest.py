"""The chart and the rendered contracts, for each of the values beside the chart."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import REPOSITORY

from lakehouse.deploy.render import render
from lakehouse.deploy.values import CHART, Values, load_values
from lakehouse.settings import load_settings

Object = dict[str, Any]
CI = REPOSITORY / CHART / "ci"
EXAMPLES = [file.stem for file in sorted(CI.glob("*.yaml"))]


@pytest.fixture(scope="session")
def values_of() -> Callable[..., Values]:
    """The values of an example, with more files over them."""
    return lambda example, *files: load_values(REPOSITORY, [CI / f"{example}.yaml", *files])


@pytest.fixture(scope="session")
def rendered(values_of: Callable[..., Values]) -> dict[str, list[Object]]:
    """What follows from the contracts, by example."""
    settings = load_settings({"home": REPOSITORY})
    return {example: render(values_of(example), settings) for example in EXAMPLES}


@pytest.fixture(scope="session")
def charted_with() -> Iterator[Callable[..., list[Object]]]:
    """What Helm makes of the chart by an example, with other values in parts of it."""
    helm = pytest.importorskip("helm_python", reason="Helm's library has no wheel for this machine")
    with helm.Chart.load(REPOSITORY / CHART) as chart:

        def make(example: str, other: dict[str, Object] | None = None) -> list[Object]:
            values = yaml.safe_load((CI / f"{example}.yaml").read_text())
            for part, own in (other or {}).items():
                values[part] = {**values.get(part, {}), **own}
            files = chart.render(values, name="release", namespace="lakehouse")
            texts = [text for name, text in files.items() if Path(name).suffix == ".yaml"]
            return [one for text in texts for one in yaml.safe_load_all(text) if one]

        yield make


@pytest.fixture(scope="session")
def charted(charted_with: Callable[..., list[Object]]) -> dict[str, list[Object]]:
    """What Helm makes of the chart, by example."""
    return {example: charted_with(example) for example in EXAMPLES}


def one(objects: list[Object], kind: str, name: str) -> Object:
    """The object of that kind and name. Fails the test where it is not there."""
    found = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)} of {[each['metadata']['name'] for each in objects]}"
    return found[0]
