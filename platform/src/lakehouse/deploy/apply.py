"""What is typed to bring rendered files to a cluster."""

from lakehouse.deploy.objects import MANAGER
from lakehouse.deploy.values import Values

#: All that is rendered. `kubectl` removes of operators' kinds none that it is not told of by name.
KINDS = (
    "core/v1/ConfigMap",
    "flink.apache.org/v1beta1/FlinkDeployment",
    "policy/v1/PodDisruptionBudget",
    "spark.apache.org/v1/SparkApplication",
)
#: One that a cluster without the Prometheus operator does not know, and `kubectl` then refuses.
MONITORING_KINDS = ("monitoring.coreos.com/v1/PrometheusRule",)


def prune_command(values: Values, directory: str) -> str:
    """Applies what is in ``directory``, and removes what an earlier run rendered there and this one did not."""
    kinds = KINDS + (MONITORING_KINDS if values.monitoring.enabled else ())
    lines = (
        f"kubectl apply -k {directory} --prune",
        f"-l app.kubernetes.io/part-of={values.name},app.kubernetes.io/managed-by={MANAGER}",
        *(f"--prune-allowlist={kind}" for kind in kinds),
    )
    return " \\\n  ".join(lines)
