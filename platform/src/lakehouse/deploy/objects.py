"""What all rendered objects have in common: names, labels, and a pod that may do nothing but its work."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from lakehouse.deploy.values import Resources, Values

Object = dict[str, Any]
#: Where the images hold the project and its state; `deploy/docker` puts them there.
HOME = PurePosixPath("/opt/lakehouse")
STATE = PurePosixPath("/var/lib/lakehouse")
CONTRACTS = PurePosixPath("/etc/lakehouse/contracts")
#: By this label rendered objects are known from those of the chart.
MANAGER = "lakehouse-deploy-render"
#: Flink's operator refuses longer ones: its services add to them.
_LONGEST_NAME = 45
#: What programs write to; the root file system is read-only. The jars of the images lie beside these.
_WRITABLE = {"tmp": "/tmp", "run": f"{STATE}/run", "logs": f"{STATE}/logs"}  # noqa: S108  (a mount, not a file)


def resource_name(values: Values, *parts: str) -> str:
    """A name for an object that says what it is of, short and plain enough for Kubernetes, and always the same."""
    told = "-".join((values.name, *parts))
    plain = re.sub(r"[^a-z0-9]+", "-", told)
    if len(plain) <= _LONGEST_NAME:
        return plain
    return f"{plain[: _LONGEST_NAME - 9].rstrip('-')}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def labels(values: Values, component: str, instance: str) -> dict[str, str]:
    """The labels that the chart's policies, budgets and monitors select by."""
    return {
        "app.kubernetes.io/part-of": values.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/managed-by": MANAGER,
    }


def config_map(values: Values, name: str, component: str, data: Mapping[str, str], tables: str) -> Object:
    """A ConfigMap of files, about ``tables``."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "labels": labels(values, component, name),
            "annotations": {"lakehouse/tables": tables},
        },
        "data": dict(data),
    }


def budgets(told: Mapping[str, str], pods: int) -> list[Object]:
    """Of ``pods`` with the labels ``told`` one may be evicted at a time, as a node is drained; of one pod, that one.

    The numbers are absolute: only of pods that a controller of Kubernetes owns could it tell how many there should be.
    """
    if pods == 1:
        return []
    selected = {name: told[name] for name in ("app.kubernetes.io/component", "app.kubernetes.io/instance")}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": told["app.kubernetes.io/instance"], "labels": dict(told)},
        "spec": {"minAvailable": pods - 1, "selector": {"matchLabels": selected}},
    }
    return [budget]


def environment(values: Values, extra: Mapping[str, str]) -> list[Object]:
    """The settings as a container's environment; what is secret comes through `secret_environment`."""
    told = {
        **values.object_store.environment(),
        **{f"LAKEHOUSE_{name.upper()}": _text(value) for name, value in values.settings.items()},
        "LAKEHOUSE_CONTRACTS_DIR": str(CONTRACTS),
        **extra,
    }
    return [{"name": name, "value": value} for name, value in sorted(told.items())]


def secret_environment(values: Values) -> list[Object]:
    """Every key of the Secret as an environment variable."""
    return [{"secretRef": {"name": values.secret}}]


def resources(asked: Resources) -> Object:
    """Requests, and a limit of memory: a container that is denied processor time only is late."""
    return {"requests": {"cpu": asked.cpu, "memory": asked.memory}, "limits": {"memory": asked.memory}}


def pod(values: Values, container: Object, mounted: Mapping[str, str], extra: Object | None = None) -> Object:
    """A pod's spec around ``container``, unprivileged. ``mounted`` maps ConfigMaps to directories."""
    volumes: list[Object] = [{"name": name, "emptyDir": {}} for name in _WRITABLE]
    mounts: list[Object] = [{"name": name, "mountPath": path} for name, path in _WRITABLE.items()]
    for position, (name, path) in enumerate(mounted.items()):
        volumes.append({"name": f"files-{position}", "configMap": {"name": name}})
        mounts.append({"name": f"files-{position}", "mountPath": path, "readOnly": True})
    return {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "imagePullSecrets": [{"name": name} for name in values.images.pull_secrets],
        **(extra or {}),
        "volumes": volumes,
        "containers": [
            {
                **container,
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "volumeMounts": [*mounts, *container.get("volumeMounts", [])],
            }
        ],
    }


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
