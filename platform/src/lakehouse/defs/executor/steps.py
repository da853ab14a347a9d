"""What a step of a run is: a part of the run's own process, or a pod."""

import dagster as dg

from lakehouse.settings import load_settings


@dg.definitions
def steps() -> dg.Definitions:
    """Pods on Kubernetes, else the run's own process.

    dbt builds its models in a process of its own. Another one around each step would load Dagster and dbt once more,
    some 300 MiB and CPU-seconds for each run; pools hold in one process, too.
    """
    if load_settings().dagster_steps == "processes":
        return dg.Definitions(executor=dg.in_process_executor)
    from dagster_k8s import k8s_job_executor  # Five seconds, which only a cluster spends.

    return dg.Definitions(executor=k8s_job_executor)
