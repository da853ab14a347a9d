"""A real API server takes everything; Dagster starts runs there, and nobody may do more than its work."""

import json
import shlex
import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.integration.cluster.conftest import Deployment, deployment
from tests.integration.cluster.servers import Cluster
from tests.integration.kubernetes_run import JOBS, NAMESPACE, check_job, launch


def test_everything_is_kept_as_it_was_sent(cluster: Cluster, deployed: Deployment) -> None:
    # kubectl fails where the cluster has something else, or would make something else of it.
    assert cluster.kubectl("diff", "-k", deployed.rendered) == ""
    assert cluster.kubectl("diff", "-f", deployed.chart) == ""
    files = [yaml.safe_load(file.read_text()) for file in deployed.rendered.glob("*-*.yaml")]
    assert {"ConfigMap", "FlinkDeployment", "SparkApplication", "PrometheusRule"} <= {told["kind"] for told in files}


@pytest.mark.parametrize("example", ["bare", "production"])
def test_other_values_are_taken_as_well(cluster: Cluster, tmp_path: Path, example: str) -> None:
    made = deployment(example, tmp_path)
    for source in (("-k", made.rendered), ("-f", made.chart)):
        assert "(server dry run)" in cluster.kubectl("apply", "--dry-run=server", *source)


@pytest.mark.parametrize("kind", ["SparkApplication", "FlinkDeployment", "ConfigMap"])
def test_an_unknown_field_is_refused(cluster: Cluster, deployed: Deployment, kind: str) -> None:
    file = next(deployed.rendered.glob(f"{kind.lower()}-*.yaml"))
    told = yaml.safe_load(file.read_text())
    told.setdefault("spec", {})["unheard"] = 1
    done = cluster.run("apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(told))
    assert done.returncode == 1
    assert 'unknown field "spec' in done.stderr


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("account", "verb", "resource", "allowed"),
    [
        ("dagster", "create", "jobs.batch", True),
        ("dagster", "get", "pods/log", True),
        ("dagster", "get", "secrets", False),
        ("dagster", "create", "pods", False),
        ("spark", "create", "pods", True),
        ("spark", "get", "secrets", False),
        ("flink", "create", "deployments.apps", True),
        ("flink", "update", "configmaps", True),
        ("flink", "get", "secrets", False),
    ],
)
def test_each_account_may_do_its_work_and_no_more(
    cluster: Cluster, account: str, verb: str, resource: str, allowed: bool
) -> None:
    user = f"system:serviceaccount:{NAMESPACE}:lakehouse-{account}"
    done = cluster.run("auth", "can-i", verb, resource, f"--as={user}")
    assert done.stdout.strip() == ("yes" if allowed else "no"), done.stderr
    elsewhere = cluster.run("auth", "can-i", verb, resource, f"--as={user}", "--namespace=default")
    assert elsewhere.stdout.strip() == "no"


@pytest.mark.parametrize("name", JOBS)
def test_a_run_becomes_a_job_which_ends_with_it(
    name: str, cluster: Cluster, deployed: Deployment, tmp_path: Path
) -> None:
    # As the pods of Dagster: with the rights of their account, which the chart gives.
    kubeconfig = tmp_path / "kubeconfig"
    told = yaml.safe_load(cluster.kubeconfig.read_text())
    told["users"][0]["user"]["token"] = cluster.kubectl("create", "token", "lakehouse-dagster").strip()
    kubeconfig.write_text(yaml.safe_dump(told))

    launch(name, deployed.objects, kubeconfig, tmp_path)

    shown = ("get", "jobs", f"--selector=dagster/job={name}", "--output=json")
    (job,) = json.loads(cluster.kubectl(*shown))["items"]
    check_job(name, job)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (run,) = instance.get_runs()
        assert job["metadata"]["name"] == f"dagster-run-{run.run_id}"
        assert instance.run_launcher.terminate(run.run_id)
    # What ends a Job's pods and then the Job is not here: the API server only notes that it is to go.
    (job,) = json.loads(cluster.kubectl(*shown))["items"]
    assert "deletionTimestamp" in job["metadata"]


def test_what_is_rendered_no_more_goes_by_the_command_that_is_told(
    cluster: Cluster, deployed: Deployment, tmp_path: Path
) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(REPOSITORY / "streaming" / "contracts", contracts)
    (contracts / "fraud_alerts.yaml").unlink()
    before = _names(cluster)
    made = deployment("minimal", tmp_path, LAKEHOUSE_CONTRACTS_DIR=str(contracts))
    _, _, command = made.told.partition("goes with\n")
    program, *arguments = shlex.split(command.replace("\\\n", " "))
    assert program == "kubectl"

    cluster.kubectl(*arguments)

    kinds = ("configmap", "flinkdeployment.flink.apache.org", "poddisruptionbudget.policy")
    assert before - _names(cluster) == {f"{kind}/lakehouse-streaming-fraud-alerts" for kind in kinds}


def test_as_many_contracts_as_are_rendered_are_taken(cluster: Cluster, tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    text = (REPOSITORY / "streaming" / "contracts" / "orders.yaml").read_text()
    # 20 bytes each, in what kubectl keeps of it.
    (contracts / "orders.yaml").write_text(text + "# <more>\n" * 12_800)
    made = deployment("minimal", tmp_path, LAKEHOUSE_CONTRACTS_DIR=str(contracts))
    cluster.kubectl("apply", "--dry-run=server", "-k", made.rendered)


def _names(cluster: Cluster) -> set[str]:
    kinds = (
        "configmaps,flinkdeployments,sparkapplications,poddisruptionbudgets,prometheusrules,serviceaccounts,deployments"
    )
    return set(cluster.kubectl("get", kinds, "--output=name").split())
