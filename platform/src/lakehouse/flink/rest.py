"""A JobManager's REST API, as far as the platform speaks it."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from lakehouse.errors import LakehouseError

_ANSWER_SECONDS = 30.0
#: Planning a job may take longer than any other answer.
_RUN_SECONDS = 180.0
_SAVEPOINT_SECONDS = 300.0
_PAUSE_SECONDS = 0.2
#: States after which a job never runs again, in Flink's own words.
ENDED = frozenset({"FAILED", "CANCELED", "FINISHED"})


class FlinkError(LakehouseError):
    """The JobManager refuses, or a job does not do what it was asked."""


class FlinkUnreachableError(FlinkError):
    """No JobManager answers, or one that does not lead yet."""


class NoJobManagerError(FlinkUnreachableError):
    """Nothing listens there: no JobManager runs, and so no job. One that is busy may answer late, and has jobs."""


@dataclass(frozen=True)
class Job:
    """A job as the JobManager lists it. ``started_ms`` and ``ended_ms`` are in milliseconds since 1970, the latter -1
    until the job has ended.

    ``state`` is RUNNING as soon as the job has been submitted, ``all_tasks_run`` once it has all that it needs.
    """

    id: str
    name: str
    state: str
    started_ms: int
    ended_ms: int
    all_tasks_run: bool

    @property
    def ended(self) -> bool:
        return self.state in ENDED


class JobManager:
    """The JobManager at ``url``. Every method raises FlinkUnreachableError when nothing answers there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        # A proxy of the environment is not meant for the cluster's own addresses.
        self._session.trust_env = False

    def free_slots(self) -> int:
        """How many more tasks the cluster can run; 0 too while no TaskManager is there."""
        return int(self._get("/overview")["slots-available"])

    def task_managers(self) -> int:
        """How many TaskManagers are registered."""
        return int(self._get("/overview")["taskmanagers"])

    def jobs(self) -> list[Job]:
        """Every job that the JobManager knows, ended ones included; the newest last."""
        listed = [
            Job(
                job["jid"],
                job["name"],
                job["state"],
                job["start-time"],
                job["end-time"],
                job["tasks"]["total"] > 0
                and job["tasks"]["running"] + job["tasks"]["finished"] == job["tasks"]["total"],
            )
            for job in self._get("/jobs/overview")["jobs"]
        ]
        return sorted(listed, key=lambda job: job.started_ms)

    def parameters(self, job_id: str) -> dict[str, str]:
        """What `pipeline.global-job-parameters` said when the job was submitted."""
        found: dict[str, str] = self._get(f"/jobs/{job_id}/config")["execution-config"]["user-config"]
        return found

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        """Flink's own account of the job's checkpoints: `counts`, `latest`, `history`."""
        return self._get(f"/jobs/{job_id}/checkpoints")

    def completed_checkpoints(self, job_id: str) -> int:
        """How many checkpoints the job has completed since it was submitted."""
        return int(self.checkpoints(job_id)["counts"]["completed"])

    def failures(self, job_id: str) -> list[dict[str, Any]]:
        """What made the job fail or restart, the newest first: `exceptionName`, `stacktrace`, `timestamp`."""
        found: list[dict[str, Any]] = self._get(f"/jobs/{job_id}/exceptions")["exceptionHistory"]["entries"]
        return found

    def metric(self, job_id: str, name: str) -> str | None:
        """A metric of the job; None where it has none of that name."""
        values = self._call("GET", f"/jobs/{job_id}/metrics?get={name}")
        return str(values[0]["value"]) if values else None

    def upload(self, jar: Path, name: str) -> str:
        """The id of ``jar`` on the JobManager, which gets it for all others unless it has one called ``name``."""
        for held in self._get("/jars")["files"]:
            if held["name"] == name:
                return str(held["id"])
            self._call("DELETE", f"/jars/{held['id']}")
        with jar.open("rb") as stream:
            files = {"jarfile": (name, stream, "application/x-java-archive")}
            answer = self._call("POST", "/jars/upload", files=files)
        return str(answer["filename"]).rsplit("/", 1)[-1]

    def run(
        self,
        jar_id: str,
        entry_class: str,
        arguments: Sequence[str],
        *,
        job_id: str,
        configuration: Mapping[str, str],
        restore: str | None,
    ) -> None:
        """Submits a job under ``job_id``, beginning with the state of the checkpoint or savepoint ``restore``.

        Raises FlinkError with the job's own words when its main method fails, or when there is a job of that id.
        """
        body = {
            "entryClass": entry_class,
            "programArgsList": list(arguments),
            "jobId": job_id,
            "flinkConfiguration": dict(configuration),
            "savepointPath": restore,
        }
        given = {key: value for key, value in body.items() if value is not None}
        self._call("POST", f"/jars/{jar_id}/run", json=given, timeout=_RUN_SECONDS)

    def savepoint(self, job_id: str, directory: str) -> str:
        """Makes a savepoint below ``directory`` and returns where it is. The job runs on."""
        return self._finish_savepoint(job_id, f"/jobs/{job_id}/savepoints", {"target-directory": directory})

    def stop(self, job_id: str, directory: str) -> str:
        """Ends the job with a savepoint below ``directory``, all its output committed, and returns where that is."""
        return self._finish_savepoint(job_id, f"/jobs/{job_id}/stop", {"targetDirectory": directory, "drain": False})

    def cancel(self, job_id: str) -> None:
        """Ends the job as it is. Its retained checkpoints stay."""
        self._call("PATCH", f"/jobs/{job_id}?mode=cancel")

    def _finish_savepoint(self, job_id: str, path: str, body: Mapping[str, object]) -> str:
        trigger = self._call("POST", path, json=body)["request-id"]
        give_up = time.monotonic() + _SAVEPOINT_SECONDS
        while True:
            answer = self._get(f"/jobs/{job_id}/savepoints/{trigger}")
            if answer["status"]["id"] == "COMPLETED":
                break
            if time.monotonic() > give_up:
                raise FlinkError(f"waited {_SAVEPOINT_SECONDS:.0f} s for a savepoint of job {job_id}")
            time.sleep(_PAUSE_SECONDS)
        operation = answer["operation"]
        if "failure-cause" in operation:
            raise FlinkError(f"no savepoint of job {job_id}: {reason(operation['failure-cause']['stack-trace'])}")
        return str(operation["location"])

    def _get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._call("GET", path)
        return answer

    def _call(self, method: str, path: str, timeout: float = _ANSWER_SECONDS, **request: Any) -> Any:
        try:
            response = self._session.request(method, f"{self.url}{path}", timeout=timeout, **request)
        except requests.RequestException as error:
            absent = isinstance(error, requests.ConnectionError) and not isinstance(error, requests.Timeout)
            kind = NoJobManagerError if absent else FlinkUnreachableError
            raise kind(f"no answer from the JobManager at {self.url}: {error}") from error
        if response.status_code == requests.codes.unavailable:
            # Its web server answers before the JobManager itself leads, and while that ends.
            raise FlinkUnreachableError(f"the JobManager at {self.url} does not serve yet: {_refusal(response)}")
        if not response.ok:
            raise FlinkError(f"{method} {path}: {_refusal(response)}")
        return response.json()


def reason(stack_trace: str) -> str:
    """The cause at the end of a Java stack trace: its message, and where that is empty its class."""
    causes = re.findall(r"^(?:Caused by: )?([\w.$]+(?:Exception|Error|Throwable)\b.*)$", stack_trace, re.MULTILINE)
    if not causes:
        return stack_trace.strip().split("\n")[0]
    last: str = causes[-1]
    name, _, message = last.partition(": ")
    return message.strip() or name


def _refusal(response: requests.Response) -> str:
    try:
        errors = response.json()["errors"]
    except (ValueError, KeyError):
        return f"{response.status_code} {response.reason}"
    return reason("\n".join(errors))
