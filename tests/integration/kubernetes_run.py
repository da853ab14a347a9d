"""Starts a run of Dagster by the chart's instance, and says what Job its launcher is to make of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakehouse.deploy.values import CHART
from tests.integration.conftest import REPOSITORY

#: Jobs, one of them with a session of Spark, and the configuration of a run.
JOBS: dict[str, dict[str, Any]] = {
    "maintenance": {},
    "cluster": {"ops": {"cluster_table": {"config": {"table": "raw.orders"}}}},
}
NAMESPACE = "lakehouse"


def charted(example: str) -> list[dict[str, Any]]:
    """The objects of the chart by the values ``example`` beside it; skips the test where Helm's library is not."""
    helm = pytest.importorskip("helm_python", reason="Helm's library has no wheel for this machine")
    values = yaml.safe_load((REPOSITORY / CHART / "ci" / f"{example}.yaml").read_text())
    with helm.Chart.load(REPOSITORY / CHART) as chart:
        files = chart.render(values, name="release", namespace=NAMESPACE)
    texts = [text for name, text in files.items() if Path(name).suffix == ".yaml"]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def dagster(
    command: list[str], objects: list[dict[str, Any]], kubeconfig: Path, directory: Path, home: Path = REPOSITORY
) -> subprocess.CompletedProcess[str]:
    """Does Dagster's ``command`` by instance and settings of the chart's ``objects``, as the client of ``kubeconfig``.

    The instance is in ``directory``.
    """
    found, settings = (
        next(each for each in objects if each["metadata"]["name"] == f"lakehouse-{name}")
        for name in ("instance", "settings")
    )
    told = yaml.safe_load(found["data"]["dagster.yaml"])
    # What is not here: Postgres, the inside of a cluster, and the daemon, which takes runs from the queue.
    del told["storage"], told["local_artifact_storage"], told["concurrency"]["runs"], told["run_queue"]
    told["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    told["run_coordinator"] = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    (directory / "dagster.yaml").write_text(yaml.safe_dump(told))
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(directory),
        "LAKEHOUSE_HOME": str(home),
        "LAKEHOUSE_STATE_DIR": str(directory / "state"),
        **{name: value for name, value in settings["data"].items() if name.startswith("LAKEHOUSE_DAGSTER_")},
    }
    full = [sys.executable, "-m", "dagster", *command, "-m", "lakehouse.definitions"]
    return subprocess.run(full, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def launch(job: str, objects: list[dict[str, Any]], kubeconfig: Path, directory: Path) -> None:
    """Launches a run of ``job``, as ``dagster`` says."""
    command = ["job", "launch", "-j", job, "--config-json", json.dumps(JOBS[job])]
    done = dagster(command, objects, kubeconfig, directory)
    assert done.returncode == 0, done.stdout + done.stderr


def check_job(job: str, told: dict[str, Any]) -> None:
    """Fails the test where the Job of a run of ``job``, as the API has it, is not what the values ask for."""
    assert told["metadata"]["labels"]["dagster/job"] == job
    check_pod("dagster" if job == "maintenance" else "spark", "execute_run", told)


def check_pod(image: str, does: str, told: dict[str, Any]) -> None:
    """Fails the test where the pod of a Job is not of ``image``, as large as that is to be, and as all pods are."""
    resources = {
        "dagster": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        "spark": {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "4Gi"}},
    }[image]
    pod = told["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["args"][:3] == ["dagster", "api", does]
    assert container["image"] == f"registry.example.com/lakehouse-{image}:0.1.0"
    assert pod["serviceAccountName"] == "lakehouse-dagster"
    sources = [next(iter(each.items())) for each in container["envFrom"]]
    assert [(kind, told["name"]) for kind, told in sources] == [
        ("configMapRef", "lakehouse-settings"),
        ("secretRef", "lakehouse"),
    ]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["resources"] == resources
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert {"/tmp", "/var/lib/lakehouse", "/etc/lakehouse/contracts"} <= mounted.keys()  # noqa: S108
    assert set(mounted.values()) == {volume["name"] for volume in pod["volumes"]}
