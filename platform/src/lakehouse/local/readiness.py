"""When is a program ready? Each has a probe, which answers None or says what is still missing."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from lakehouse.contracts import Engine, load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.flink.rest import FlinkUnreachableError
from lakehouse.flink.status import JobState
from lakehouse.local.crashes import crashes
from lakehouse.local.dagster import code_answers
from lakehouse.local.flink import job_manager
from lakehouse.local.flink_jobs import flink_jobs, wanted_fingerprints
from lakehouse.local.kafka import broker_answers
from lakehouse.local.logs import last_lines
from lakehouse.local.monitoring import ready
from lakehouse.local.postgres import server_answers
from lakehouse.local.programs import Program, generator_ready_file
from lakehouse.local.queries import running_queries
from lakehouse.local.supervisor import Supervisor, log_file
from lakehouse.local.wait_for import DEADLINE_SECONDS
from lakehouse.settings import Settings
from lakehouse_spark.status import QueryState

Probe = Callable[[Settings], str | None]

#: What ended this often is not going to be ready, and says why in its log.
_CRASHES = 3
_PAUSE_SECONDS = 0.3
_ANSWER_SECONDS = 15.0
_LOG_LINES = 15
_LOCATIONS = """
query Locations { workspaceOrError { __typename
  ... on PythonError { message }
  ... on Workspace { locationEntries { name loadStatus updatedTimestamp
    locationOrLoadError { __typename ... on PythonError { message } } } } } }
"""


class NotReadyError(LakehouseError):
    """A program did not become ready."""


class _FailingError(RuntimeError):
    """A part of the program fails again and again: it is not going to be ready."""


def wait_until_ready(settings: Settings, supervisor: Supervisor, program: Program) -> None:
    """Returns when ``program`` is ready.

    Raises NotReadyError, with what was waited for and the end of its log, when its process has given up or ended time
    and again, or the deadline has passed.
    """
    probe = _PROBES[program.name]
    give_up = time.monotonic() + DEADLINE_SECONDS
    crashed_before = _crash_count(settings, program)
    while True:
        state = supervisor.states()[program.name]
        if not state.alive:
            raise _not_ready(settings, program, f"its process has ended ({state.detail})")
        if _crash_count(settings, program) - crashed_before >= _CRASHES:
            raise _not_ready(settings, program, f"its process has ended {_CRASHES} times since it was started")
        try:
            missing = probe(settings)
        except _FailingError as error:
            raise _not_ready(settings, program, str(error)) from error
        if missing is None and state.state == "RUNNING":
            return
        missing = missing or f"its process is {state.state}"
        if time.monotonic() > give_up:
            raise _not_ready(settings, program, f"waited {DEADLINE_SECONDS:.0f} s: {missing}")
        time.sleep(_PAUSE_SECONDS)


def _spark_ready(settings: Settings) -> str | None:
    wanted = {c.table for c in load_contracts(settings.contracts_dir) if c.resolved_engine is Engine.SPARK}
    queries = running_queries(settings, Supervisor(settings).states()["spark"])
    if queries is None:
        return "its process has told nothing of its queries yet"
    for query in queries.values():
        if query.failures >= _CRASHES:
            raise _FailingError(f"the query of {query.table} failed {query.failures} times: {query.error}")
    running = {table for table, query in queries.items() if query.state is QueryState.RUNNING}
    missing = sorted(wanted - running)
    return f"no running query for {', '.join(missing)}" if missing else None


def _jobmanager_ready(settings: Settings) -> str | None:
    try:
        job_manager(settings).jobs()
    except FlinkUnreachableError as error:
        return str(error)
    return None


def _taskmanager_ready(settings: Settings) -> str | None:
    try:
        registered = job_manager(settings).task_managers()
    except FlinkUnreachableError as error:
        return str(error)
    return None if registered else "it has not registered with the JobManager yet"


def _jobs_ready(settings: Settings) -> str | None:
    wanted = wanted_fingerprints(settings)
    waiting = []
    for job in flink_jobs(settings):
        if job.failing:
            waiting.append(f"{job.table} is {job.state.value}{f' ({job.error})' if job.error else ''}")
        elif job.state is JobState.RUNNING and job.fingerprint != wanted[job.table]:
            waiting.append(f"{job.table} runs as it was before{f' ({job.error})' if job.error else ''}")
    return ", ".join(waiting) or None


def _webserver_ready(settings: Settings) -> str | None:
    try:
        workspace = _graphql(settings, _LOCATIONS)["workspaceOrError"]
    except OSError as error:
        return f"no answer from {settings.webserver_url}: {error}"
    if workspace["__typename"] == "PythonError":
        return f"the workspace does not load: {workspace['message']}"
    # It goes on showing what the process before told, until it notices that there is another.
    since = time.time() - (Supervisor(settings).states()["dagster-code"].uptime_seconds or 0)
    for entry in workspace["locationEntries"]:
        loaded = entry["locationOrLoadError"]
        if entry["loadStatus"] != "LOADED" or loaded is None or entry["updatedTimestamp"] < since:
            return f"code location {entry['name']} is still loading"
        if loaded["__typename"] == "PythonError":
            return f"code location {entry['name']} is not there: {loaded['message']}"
    return None if workspace["locationEntries"] else "workspace.yaml names no code location"


def _daemon_ready(settings: Settings) -> str | None:
    """Asks Dagster's storage and not the webserver, which need not run."""
    if not (settings.state_dir / "dagster" / "schedules" / "schedules.db").exists():
        return "Dagster's storage is not there yet"  # Opening it would make it, in a race with the daemon.
    from dagster import DagsterInstance
    from sqlalchemy.exc import OperationalError

    try:
        with DagsterInstance.from_config(str(settings.home)) as instance:
            required, beats = instance.get_required_daemon_types(), instance.get_daemon_heartbeats()
    except OperationalError as error:
        return f"Dagster's storage does not answer: {error.orig}"
    # Dagster calls a daemon healthy for half an hour after its last heartbeat: it may be that of the previous process.
    since = time.time() - (Supervisor(settings).states()["dagster-daemon"].uptime_seconds or 0)
    waiting = [kind for kind in required if kind not in beats or beats[kind].timestamp < since]
    return f"no heartbeat of {', '.join(waiting)} yet" if waiting else None


def _exporter_ready(settings: Settings) -> str | None:
    try:
        # That of each source is told by its metric: what it collects from may not be there.
        _read(f"http://127.0.0.1:{settings.exporter_port}", "/metrics")
    except OSError as error:
        return f"no answer on port {settings.exporter_port}: {error}"
    return None


def _generator_ready(settings: Settings) -> str | None:
    state = Supervisor(settings).states()["generator"]
    file = generator_ready_file(settings)
    # The file of an earlier process has the number of that one.
    ready = file.exists() and file.read_text(encoding="utf-8") == str(state.pid)
    return None if ready else "the broker has confirmed no event of it yet"


_PROBES: dict[str, Probe] = {
    "kafka": broker_answers,
    "postgres": server_answers,
    "spark": _spark_ready,
    "flink-jobmanager": _jobmanager_ready,
    "flink-taskmanager": _taskmanager_ready,
    "flink-jobs": _jobs_ready,
    "dagster-code": code_answers,
    "dagster-webserver": _webserver_ready,
    "dagster-daemon": _daemon_ready,
    "exporter": _exporter_ready,
    "prometheus": lambda settings: ready(settings.prometheus_port),
    "alertmanager": lambda settings: ready(settings.alertmanager_port),
    "generator": _generator_ready,
}


def _crash_count(settings: Settings, program: Program) -> int:
    found = crashes(settings).get(program.name)
    return found.count if found else 0


def _not_ready(settings: Settings, program: Program, reason: str) -> NotReadyError:
    file = log_file(settings, program.name)
    lines = "\n".join(f"  {line}" for line in last_lines(file, _LOG_LINES))
    return NotReadyError(f"{program.title} is not ready: {reason}.\nThe end of {file}:\n{lines}")


def _graphql(settings: Settings, query: str) -> dict[str, Any]:
    answer = _get(settings.webserver_url, "/graphql", {"query": query})
    if "errors" in answer:
        raise NotReadyError(f"Dagster refuses a query of the command line: {answer['errors']}")
    data: dict[str, Any] = answer["data"]
    return data


def _get(url: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON at ``path``, posting ``body`` when given. Raises OSError when there is no such answer."""
    answer: dict[str, Any] = json.loads(_read(url, path, body))
    return answer


def _read(url: str, path: str, body: dict[str, str] | None = None) -> bytes:
    """What stands at ``path``, posting ``body`` when given. Raises OSError when there is no such answer."""
    # http.client and not urllib, which would ask a proxy for addresses of this machine.
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_ANSWER_SECONDS)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        content: bytes = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url}{path}: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ConnectionError(f"{url}{path} answers {response.status} {response.reason}")
    return content
