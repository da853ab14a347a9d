"""A `FlinkDeployment` for each contract that Flink serves: a cluster of its own, for the operator of Flink."""

import math
from collections.abc import Collection, Sequence

import yaml

from lakehouse.contracts import Contract
from lakehouse.deploy.objects import (
    HOME,
    Object,
    budgets,
    config_map,
    environment,
    labels,
    pod,
    resource_name,
    secret_environment,
)
from lakehouse.deploy.values import Resources, Table, Values
from lakehouse.errors import LakehouseError
from lakehouse.flink.generation import Generation
from lakehouse.flink.restore import as_uri
from lakehouse.flink.spec import (
    JobSpec,
    checkpoint_store,
    checkpoints,
    contract_file,
    contract_json,
    flink_contracts,
    job_spec,
    starting_arguments,
)
from lakehouse.local.build import sources_fingerprint
from lakehouse.local.flink import OPENED
from lakehouse.quantity import mebibytes, number
from lakehouse.settings import Settings
from lakehouse.storage import Catalog

#: The operator's name for the release whose jars `streaming/pom.xml` builds against.
_VERSION = "v2_3"
_JAR = "local:///opt/flink/lib/flink-jobs.jar"
_METRICS_PORT = 9249


class AnewError(LakehouseError):
    """A table's job cannot begin without state as asked."""


def flink_deployments(
    values: Values, settings: Settings, contracts: Sequence[Contract], anew: Collection[str] = ()
) -> list[Object]:
    """For each job a ConfigMap with its contract, a deployment, and a budget.

    The jobs of the tables ``anew`` begin without state, behind the rows that their tables have now. Raises AnewError,
    ScriptMissingError.
    """
    code = sources_fingerprint(settings, "flink")
    served = flink_contracts(list(contracts))
    _check_anew(values, anew, [contract.table for contract in served])
    return [
        rendered
        for contract in served
        for rendered in _job(
            values, settings, contract, code, values.tables.get(contract.table, Table()), contract.table in anew
        )
    ]


def _check_anew(values: Values, anew: Collection[str], served: Sequence[str]) -> None:
    for table in anew:
        if table not in served:
            raise AnewError(
                f"{table} is no table that Flink writes, and cannot begin anew. Tables: {', '.join(served)}"
            )
        if values.tables.get(table, Table()).suspended:
            raise AnewError(
                f"{table} is suspended in the values, and begins anew as it starts: once it has stopped, drop "
                f"tables.{table}.suspended and raise tables.{table}.generation"
            )


def _job(values: Values, settings: Settings, contract: Contract, code: str, own: Table, anew: bool) -> list[Object]:
    generation = Generation(own.generation)
    store = values.object_store.environment()
    spec = job_spec(settings, contract, code, generation=generation, home=HOME, environment=store)
    start = starting_arguments(Catalog.from_settings(settings), contract) if anew else ()
    name = resource_name(values, contract.table)
    told = labels(values, "flink", name)
    file = contract_file(settings, contract.table)
    size = values.flink
    deployment = {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {"name": name, "labels": told, "annotations": {"lakehouse/tables": contract.table}},
        "spec": {
            "image": values.images.flink,
            "imagePullPolicy": values.images.pull_policy,
            "flinkVersion": _VERSION,
            "mode": "native",
            "serviceAccount": f"{values.name}-flink",
            "flinkConfiguration": _configuration(values, settings, spec, generation, anew),
            "podTemplate": {
                "metadata": {"labels": told},
                "spec": pod(values, _container(values), {name: str(file.parent)}),
            },
            "jobManager": {"replicas": 1, "resource": _resource(size.job_manager)},
            "taskManager": {"resource": _resource(own.task_manager or size.task_manager)},
            "job": {
                "jarURI": _JAR,
                "entryClass": spec.entry_class,
                "args": [*spec.arguments, *start],
                "parallelism": contract.parallelism,
                # The operator restores what it knows of, under whatever generation, unless it is told to have no state.
                "upgradeMode": "stateless" if anew else "savepoint",
                "state": "suspended" if own.suspended else "running",
            },
        },
    }
    files = {file.name: contract_json(contract)}
    pods = 1 + math.ceil(contract.parallelism / size.slots)
    return [config_map(values, name, "flink", files, contract.table), deployment, *budgets(told, pods)]


def _configuration(
    values: Values, settings: Settings, spec: JobSpec, generation: Generation, anew: bool
) -> dict[str, str]:
    """The production settings, those of the job, and over them what Kubernetes needs."""
    file = settings.home / "deploy" / "flink" / "config.yaml"
    production: dict[str, object] = yaml.safe_load(file.read_text(encoding="utf-8"))
    own = as_uri(checkpoints(settings, spec.table, generation))
    configuration = {
        **production,
        **spec.configuration,
        "execution.checkpointing.savepoint-dir": f"{own}/savepoints",
        "taskmanager.numberOfTaskSlots": values.flink.slots,
        "metrics.reporter.prom.port": _METRICS_PORT,
        # As locally: the job's classes are on the class path of the cluster, which is its own, and loaded once.
        "classloader.resolve-order": "parent-first",
        "fs.allowed-fallback-filesystems": "s3a",
        **checkpoint_store(settings, values.object_store.environment()),
        "env.java.opts.all": " ".join(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED),
        # A job that does not come, or makes no checkpoint, is started again from its newest.
        "kubernetes.operator.cluster.health-check.enabled": True,
        "kubernetes.operator.cluster.health-check.checkpoint-progress.enabled": True,
        # One that fails cannot make the savepoint that its upgrade waits for: its newest checkpoint does then.
        "kubernetes.operator.job.upgrade.last-state-fallback.enabled": values.flink.high_availability,
        # An upgrade that does not become stable is taken back to the last that was, with its savepoint. Of one without
        # state that would be the job of before, which would write again what this one has written.
        "kubernetes.operator.deployment.rollback.enabled": values.flink.high_availability and not anew,
        "kubernetes.operator.savepoint.history.max.count": 3,
    }
    if values.flink.high_availability:
        configuration |= {"high-availability.type": "kubernetes", "high-availability.storageDir": f"{own}/ha"}
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in configuration.items()}


def _container(values: Values) -> Object:
    return {
        "name": "flink-main-container",
        # Arguments tell a job its settings. Those that refer to the environment, as Kafka's user does, find it here.
        "env": environment(values, {}),
        "envFrom": secret_environment(values),
        "ports": [{"name": "metrics", "containerPort": _METRICS_PORT}],
        "volumeMounts": [{"name": "logs", "mountPath": "/opt/flink/log"}],
    }


def _resource(asked: Resources) -> Object:
    return {"cpu": float(number(asked.cpu)), "memory": f"{mebibytes(asked.memory)}m"}
