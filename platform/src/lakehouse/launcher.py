"""The local stack's run launcher, which `dagster.yaml` names: Dagster's own, and it notices a run that was killed."""

import time

import dagster as dg
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._serdes import ConfigurableClassData

#: A process says which it is within this time of its start, for all that clocks are set.
_CLOCK_SECONDS = 60
#: A run's process is named by one of the first things that it reports.
_FIRST_EVENTS = 20


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as children of `dagster-code`, which reports those of them that die.

    What it cannot report is its own death: runs that were killed with it would count as running, and keep their places
    in pools, until the longest time that a run may take. So the daemon's run monitoring asks here.
    """

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        #: By the id of a run whose process is gone: since when its server was found to answer, each time.
        self._answers_since: dict[str, float] = {}

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks about each run that has started."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """FAILED when the process that reported the start of ``run`` is gone, and the daemon could start another.

        RUNNING otherwise, and while none has reported.
        """
        reported = self._instance.event_log_storage.get_logs_for_run(
            run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT, limit=_FIRST_EVENTS
        )
        for entry in reported:
            event = entry.get_dagster_event()
            pid = event.engine_event_data.metadata.get("pid")
            if pid is None or event.step_key is not None:
                continue
            if _is_alive(int(str(pid.value)), entry.timestamp) or not self._can_be_retried(run.run_id):
                break
            return CheckRunHealthResult(WorkerStatus.FAILED, f"its process (pid {pid.value}) is gone")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def _can_be_retried(self, run_id: str) -> bool:
        """Whether the daemon has looked for the run's server since that answers.

        A retry that does not find it is given up for ever.
        """
        from dagster._daemon import controller

        client = self._get_grpc_client_for_termination(run_id)  # type: ignore[no-untyped-call]
        if client is None:
            # Executed by whoever started it, and retried by nobody.
            return True
        try:
            client.ping("")
        except DagsterUserCodeUnreachableError:
            self._answers_since.pop(run_id, None)
            return False
        answering = time.monotonic() - self._answers_since.setdefault(run_id, time.monotonic())
        return answering > 1.5 * controller.RELOAD_WORKSPACE_INTERVAL


def _is_alive(pid: int, reported_at: float) -> bool:
    """Whether the process that had ``pid`` at ``reported_at`` (epoch seconds) runs; since then it may be another's."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() < reported_at + _CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
