"""Where a run, or a step of one, that starts Spark is on Kubernetes: Dagster's own image has neither Spark nor Java."""

from typing import Any

from lakehouse.quantity import heap_mebibytes, whole_cores
from lakehouse.settings import Settings


def spark_pod(settings: Settings) -> dict[str, Any]:
    """Tags of a job or an op whose process starts Spark; none where runs are processes of this machine.

    `K8sRunLauncher` reads those of a job, `k8s_job_executor` those of an op: the pod is of Spark's image, as large as
    the settings say, and Spark uses what it has.
    """
    if settings.dagster_steps == "processes":
        return {}
    cpu, memory = settings.dagster_spark_cpu, settings.dagster_spark_memory
    sized = {
        "LAKEHOUSE_SPARK_MASTER": f"local[{whole_cores(cpu)}]",
        "LAKEHOUSE_SPARK_DRIVER_MEMORY": f"{heap_mebibytes(memory)}m",
    }
    container = {
        "image": settings.dagster_spark_image,
        "env": [{"name": name, "value": value} for name, value in sized.items()],
        "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}},
    }
    return {"dagster-k8s/config": {"container_config": container}}
