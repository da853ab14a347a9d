"""The local stack's run launcher, which `dagster.yaml` names: Dagster's own, and it notices a run that was killed."""

import dagster as dg
import psutil
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun

#: A process says which it is within this time of its start, for all that clocks are set.
_CLOCK_SECONDS = 60
#: A run's process is named by one of the first things that it reports.
_FIRST_EVENTS = 20


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as children of `dagster-code`, which reports those of them that die.

    What it cannot report is its own death: runs that were killed with it would count as running, and keep their places
    in pools, until the longest time that a run may take. So the daemon's run monitoring asks here.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks about each run that has started."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED when the process that reported the start of ``run`` is gone; RUNNING also while none has."""
        reported = self._instance.event_log_storage.get_logs_for_run(
            run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, limit=_FIRST_EVENTS
        )
        for entry in reported:
            event = entry.get_dagster_event()
            pid = event.engine_event_data.metadata.get("pid")
            if pid is None or event.step_key is not None:
                continue
            if _is_alive(int(str(pid.value)), entry.timestamp):
                break
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its process (pid {pid.value}) is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _is_alive(pid: int, reported_at: float) -> bool:
    """Whether the process that had ``pid`` at ``reported_at`` (epoch seconds) runs; since then it may be another's."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() < reported_at + _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
