"""A real API server of Kubernetes with all that `docs/how-to/deploy.md` brings to a cluster.

Not run by `make test`, for its programs take minutes to build:

    tests/integration/cluster/build.sh .lakehouse/kubernetes
    KUBERNETES=.lakehouse/kubernetes make test ARGS=tests/integration/cluster
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from lakehouse.cli.main import app
from lakehouse.deploy.values import CHART
from tests.conftest import REPOSITORY
from tests.integration.cluster.servers import Cluster, running
from tests.integration.kubernetes_run import NAMESPACE, charted
from tests.waiting import wait_for

_PROGRAMS = ("etcd", "kube-apiserver", "kubectl")


@pytest.fixture(scope="package")
def programs() -> Path:
    """The directory of the programs; skips the tests where they are not."""
    told = os.environ.get("KUBERNETES")
    directory = REPOSITORY / (told or ".lakehouse/kubernetes")
    missing = [name for name in _PROGRAMS if not (directory / name).is_file()]
    if told is None or missing:
        reason = "KUBERNETES is not set" if told is None else f"there is no {missing[0]} in KUBERNETES={told}"
        pytest.skip(
            f"{reason}. To run these: tests/integration/cluster/build.sh .lakehouse/kubernetes && "
            "KUBERNETES=.lakehouse/kubernetes make test ARGS=tests/integration/cluster"
        )
    return directory


@pytest.fixture(scope="package")
def cluster(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with the kinds of the operators, a namespace and the Secret that the guide has one make."""
    definitions = Path(os.environ.get("CRDS", REPOSITORY.parent / "shared" / "k8s" / "crds"))
    if not list(definitions.glob("*.yaml")):
        pytest.skip(f"no definitions of the operators' kinds in {definitions}: put them there, or set CRDS")
    with running(programs, tmp_path_factory.mktemp("cluster"), NAMESPACE) as made:
        made.kubectl("create", "namespace", NAMESPACE)
        made.kubectl("create", "secret", "generic", "lakehouse", "--from-literal=LAKEHOUSE_POSTGRES_PASSWORD=unused")
        # Larger than what `kubectl apply` would keep of them in an annotation.
        made.kubectl("apply", "--server-side", "-f", definitions)
        made.kubectl(
            "apply", "-f", "-", stdin=yaml.safe_dump_all([_anything("PodMonitor"), _anything("PrometheusRule")])
        )
        # kubectl's own waiting fails where a kind is so new that the server has said nothing about it.
        established = ("wait", "--for=condition=Established", "--timeout=10s", "crd", "--all")
        wait_for(lambda: made.run(*established).returncode == 0, "the operators' kinds to be known", 60)
        yield made


def _anything(kind: str) -> dict[str, Any]:
    """A kind of the Prometheus operator, whose own definition is not at hand: any fields will do."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


@dataclass(frozen=True)
class Deployment:
    """What is brought to a cluster by the values ``example`` beside the chart."""

    rendered: Path
    chart: Path
    objects: list[dict[str, Any]]
    told: str


def deployment(example: str, directory: Path, **environment: str) -> Deployment:
    """Renders it below ``directory``, with ``environment`` for `lakehouse deploy render`. Nothing is applied."""
    values, rendered, chart = (
        REPOSITORY / CHART / "ci" / f"{example}.yaml",
        directory / "rendered",
        directory / "chart.yaml",
    )
    command = ["deploy", "render", "-f", str(values), "-o", str(rendered)]
    told = CliRunner().invoke(
        app, command, env={"LAKEHOUSE_HOME": str(REPOSITORY), **environment}, catch_exceptions=False
    )
    assert told.exit_code == 0, told.output
    objects = charted(example)
    chart.write_text(yaml.safe_dump_all(objects))
    return Deployment(rendered, chart, objects, told.output)


@pytest.fixture(scope="package")
def deployed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """The smallest deployment, as the guide has it brought to the cluster."""
    made = deployment("minimal", tmp_path_factory.mktemp("deployed"))
    cluster.kubectl("apply", "-k", made.rendered)
    cluster.kubectl("apply", "-f", made.chart)
    return made
