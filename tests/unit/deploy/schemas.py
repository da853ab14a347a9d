"""Checks objects against the schemas that a cluster has: Kubernetes' own, and those of the operators."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from tests.conftest import REPOSITORY

KUBERNETES = "1.34"
#: Kinds of the Prometheus operator, whose definitions are not at hand.
_UNCHECKED = {"PodMonitor", "PrometheusRule"}


Operators = dict[tuple[str, str], jsonschema.Draft202012Validator]


@cache
def crds() -> Operators:
    """What validates the operators' kinds, by `apiVersion` and `kind`; skips the test where they are not at hand."""
    directory = Path(os.environ.get("CRDS", REPOSITORY.parent / "shared" / "k8s" / "crds"))
    files = sorted(directory.glob("*.yaml"))
    if not files:
        pytest.skip(f"no definitions of the operators' kinds in {directory}: put them there, or set CRDS")
    found = {}
    for file in files:
        told = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        for version in told["spec"]["versions"]:
            key = (f"{told['spec']['group']}/{version['name']}", told["spec"]["names"]["kind"])
            found[key] = jsonschema.Draft202012Validator(_strict(version["schema"]["openAPIV3Schema"]))
    return found


def check(told: dict[str, Any], operators: Operators) -> None:
    """Raises a ValidationError naming the path where ``told`` is not what its kind asks for; unknown fields count."""
    key = (told["apiVersion"], told["kind"])
    if key in operators:
        operators[key].validate(told)
    elif told["kind"] not in _UNCHECKED:
        kubernetes_validate.validate(told, KUBERNETES, strict=True)


def _strict(schema: dict[str, Any], *, root: bool = True) -> dict[str, Any]:
    """``schema`` refusing what it does not know, as `kubectl apply --validate=strict` does."""
    made = dict(schema)
    if "properties" in made:
        made["properties"] = {name: _strict(each, root=False) for name, each in made["properties"].items()}
        if root:
            # The schema of a definition does not repeat what all objects have.
            made["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
        if not made.get("x-kubernetes-preserve-unknown-fields"):
            made["additionalProperties"] = False
    if isinstance(made.get("items"), dict):
        made["items"] = _strict(made["items"], root=False)
    if isinstance(made.get("additionalProperties"), dict):
        made["additionalProperties"] = _strict(made["additionalProperties"], root=False)
    return made
