"""A `SparkApplication` for each group of contracts that Spark serves, for Spark's operator."""

from collections.abc import Sequence
from itertools import groupby

from lakehouse.contracts import Contract, Engine
from lakehouse.deploy.objects import (
    CONTRACTS,
    HOME,
    STATE,
    Object,
    budgets,
    environment,
    labels,
    pod,
    resource_name,
    secret_environment,
)
from lakehouse.deploy.sizes import executors
from lakehouse.deploy.values import Resources, Values
from lakehouse.local.jars import JAR_SETS
from lakehouse.quantity import heap_mebibytes, mebibytes, whole_cores

#: As pyproject.toml pins it; the image that runs this has no Spark.
_SPARK = "4.2.0"
MASTER = "k8s://https://kubernetes.default.svc"
#: What `deploy/docker/spark` starts the queries with.
_MAIN = f"local://{HOME}/spark_application.py"
#: Whose jars `deploy/docker/spark-jars.sh` leaves out.
_OTHERS = ("kafka", "flink")
#: The sets of jars that the image holds, by the JVM's own wildcard. In a cluster the session comes too late to say so.
_CLASS_PATH = ":".join(f"{STATE}/jars/{jar_set}/*" for jar_set in JAR_SETS if jar_set not in _OTHERS)
_STATUS_PORT = 4041


def spark_applications(values: Values, contracts: Sequence[Contract], contracts_map: str) -> list[Object]:
    """An application for each group, with a budget. ``contracts_map`` is the ConfigMap of all contracts."""
    served = sorted((c for c in contracts if c.resolved_engine is Engine.SPARK), key=lambda contract: contract.group)
    return [
        rendered
        for group, members in groupby(served, key=lambda contract: contract.group)
        for rendered in _application(values, group, list(members), contracts_map)
    ]


def _application(values: Values, group: str, contracts: list[Contract], contracts_map: str) -> list[Object]:
    name = resource_name(values, "spark", group)
    told = labels(values, "spark", name)
    of_executors = labels(values, "spark-executor", name)
    size = values.spark
    instances = executors(size, group, contracts)
    application = {
        "apiVersion": "spark.apache.org/v1",
        "kind": "SparkApplication",
        "metadata": {
            "name": name,
            "labels": told,
            "annotations": {"lakehouse/tables": ",".join(contract.table for contract in contracts)},
        },
        "spec": {
            "runtimeVersions": {"sparkVersion": _SPARK, "scalaVersion": "2.13", "jdkVersion": "17"},
            "deploymentMode": "ClusterMode",
            "pyFiles": _MAIN,
            "driverArgs": ["--group", group],
            "sparkConf": {
                "spark.master": MASTER,
                "spark.app.name": name,
                "spark.kubernetes.container.image": values.images.spark,
                "spark.kubernetes.container.image.pullPolicy": values.images.pull_policy,
                "spark.kubernetes.authenticate.driver.serviceAccountName": f"{values.name}-spark",
                "spark.driver.extraClassPath": _CLASS_PATH,
                "spark.executor.extraClassPath": _CLASS_PATH,
                "spark.executor.instances": str(instances),
                # Executors that are evicted hand their shuffle and state on before they go.
                "spark.decommission.enabled": "true",
                **_memory("driver", size.driver),
                **_memory("executor", size.executor),
            },
            "applicationTolerations": {
                # A stream has no end: whatever ended it, it is started again, ever more slowly where it keeps failing.
                "restartConfig": {
                    "restartPolicy": "Always",
                    "maxRestartAttempts": 2**31 - 1,
                    "restartBackoffMillis": 30_000,
                    "restartCounterResetMillis": 600_000,
                },
                # Long enough for the micro-batch in flight, see lakehouse_spark.application.
                "applicationTimeoutConfig": {"forceTerminationGracePeriodMillis": 90_000},
                "resourceRetainPolicy": "OnFailure",
                # What failed is kept for a day to be looked at.
                "resourceRetainDurationMillis": 86_400_000,
            },
            "driverSpec": {"podTemplateSpec": _driver(values, told, contracts_map)},
            "executorSpec": {"podTemplateSpec": _executor(values, of_executors)},
        },
    }
    return [application, *budgets(of_executors, instances)]


def _memory(role: str, asked: Resources) -> dict[str, str]:
    """The heap so that it and what lies outside of it, which Spark adds, make what was asked for."""
    heap = heap_mebibytes(asked.memory)
    return {
        f"spark.{role}.memory": f"{heap}m",
        f"spark.{role}.memoryOverhead": f"{mebibytes(asked.memory) - heap}m",
        f"spark.{role}.cores": str(whole_cores(asked.cpu)),
        f"spark.kubernetes.{role}.request.cores": asked.cpu,
    }


def _driver(values: Values, told: dict[str, str], contracts_map: str) -> Object:
    probe = {"httpGet": {"path": "/status", "port": "status"}, "periodSeconds": 10, "timeoutSeconds": 5}
    container = {
        "name": "spark-kubernetes-driver",
        "env": environment(
            values,
            {
                "LAKEHOUSE_SPARK_MASTER": MASTER,
                "LAKEHOUSE_SPARK_STATUS_HOST": "0.0.0.0",  # noqa: S104  (the pod's own)
                "LAKEHOUSE_SPARK_STATUS_PORT": str(_STATUS_PORT),
            },
        ),
        "envFrom": secret_environment(values),
        "ports": [{"name": "status", "containerPort": _STATUS_PORT}],
        # Spark and its queries take minutes to come where checkpoints are large.
        "startupProbe": {**probe, "failureThreshold": 60},
        "livenessProbe": {**probe, "failureThreshold": 6},
        "readinessProbe": probe,
    }
    return {
        "metadata": {"labels": told},
        "spec": pod(values, container, {contracts_map: str(CONTRACTS)}, {"terminationGracePeriodSeconds": 90}),
    }


def _executor(values: Values, told: dict[str, str]) -> Object:
    container = {
        "name": "spark-kubernetes-executor",
        "env": environment(values, {}),
        "envFrom": secret_environment(values),
    }
    return {
        "metadata": {"labels": told},
        "spec": pod(values, container, {}, {"terminationGracePeriodSeconds": 60}),
    }
