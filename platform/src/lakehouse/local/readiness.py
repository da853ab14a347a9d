"""When is a program ready? Each has a probe, which answers None or says what is still missing."""

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from lakehouse.contracts import Engine, load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.local.kafka import broker_answers
from lakehouse.local.logs import last_lines
from lakehouse.local.postgres import server_answers
from lakehouse.local.programs import Program, dagster_url
from lakehouse.local.supervisor import Supervisor, log_file
from lakehouse.settings import Settings

Probe = Callable[[Settings], str | None]

#: On a busy two-core machine, loading a code location with dbt took up to two minutes.
DEADLINE_SECONDS = 300.0
_PAUSE_SECONDS = 0.3
_ANSWER_SECONDS = 15.0
_LOG_LINES = 15
_LOCATIONS = """
query Locations { workspaceOrError { __typename
  ... on PythonError { message }
  ... on Workspace { locationEntries { name loadStatus
    locationOrLoadError { __typename ... on PythonError { message } } } } } }
"""
_DAEMONS = """
query Daemons { instance { daemonHealth { allDaemonStatuses {
  daemonType required healthy lastHeartbeatTime } } } }
"""


class NotReadyError(LakehouseError):
    """A program did not become ready."""


def wait_until_ready(settings: Settings, supervisor: Supervisor, program: Program) -> None:
    """Returns when ``program`` is ready.

    Raises NotReadyError, with what was waited for and the end of its log, when its process has given up or the
    deadline has passed.
    """
    probe = _PROBES.get(program.name)
    give_up = time.monotonic() + DEADLINE_SECONDS
    while True:
        state = supervisor.states()[program.name]
        if not state.alive:
            raise _not_ready(settings, program, f"its process has ended ({state.detail})")
        missing = probe(settings) if probe else None
        if missing is None and state.state == "RUNNING":
            return
        missing = missing or f"its process is {state.state}"
        if time.monotonic() > give_up:
            raise _not_ready(settings, program, f"waited {DEADLINE_SECONDS:.0f} s: {missing}")
        time.sleep(_PAUSE_SECONDS)


def spark_status(settings: Settings) -> dict[str, Any]:
    """The state of each query by table, as the Spark application tells it. Raises OSError when it does not answer."""
    queries: dict[str, Any] = _get(f"http://127.0.0.1:{settings.spark_status_port}", "/status")["queries"]
    return queries


def _spark_ready(settings: Settings) -> str | None:
    wanted = {c.table for c in load_contracts(settings.contracts_dir) if c.resolved_engine is Engine.SPARK}
    try:
        active = {table for table, query in spark_status(settings).items() if query["active"]}
    except OSError as error:
        return f"no answer on port {settings.spark_status_port}: {error}"
    missing = sorted(wanted - active)
    return f"no active query for {', '.join(missing)}" if missing else None


def _webserver_ready(settings: Settings) -> str | None:
    try:
        workspace = _graphql(settings, _LOCATIONS)["workspaceOrError"]
    except OSError as error:
        return f"no answer from {dagster_url(settings)}: {error}"
    if workspace["__typename"] == "PythonError":
        return f"the workspace does not load: {workspace['message']}"
    for entry in workspace["locationEntries"]:
        if entry["loadStatus"] != "LOADED" or entry["locationOrLoadError"] is None:
            return f"code location {entry['name']} is still loading"
        if entry["locationOrLoadError"]["__typename"] == "PythonError":
            raise NotReadyError(
                f"Dagster's code location {entry['name']} does not load:\n{entry['locationOrLoadError']['message']}"
            )
    return None if workspace["locationEntries"] else "workspace.yaml names no code location"


def _daemon_ready(settings: Settings) -> str | None:
    try:
        statuses = _graphql(settings, _DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
    except OSError as error:
        return f"no answer from {dagster_url(settings)}: {error}"
    # Dagster calls a daemon healthy for half an hour after its last heartbeat: it may be that of the previous process.
    uptime = Supervisor(settings).states()["dagster-daemon"].uptime_seconds or 0
    waiting = [
        status["daemonType"]
        for status in statuses
        if status["required"] and not (status["healthy"] and (status["lastHeartbeatTime"] or 0) >= time.time() - uptime)
    ]
    return f"no heartbeat of {', '.join(waiting)} yet" if waiting else None


_PROBES: dict[str, Probe] = {
    "kafka": broker_answers,
    "postgres": server_answers,
    "spark": _spark_ready,
    "dagster-webserver": _webserver_ready,
    "dagster-daemon": _daemon_ready,
}


def _not_ready(settings: Settings, program: Program, reason: str) -> NotReadyError:
    file = log_file(settings, program.name)
    lines = "\n".join(f"  {line}" for line in last_lines(file, _LOG_LINES))
    return NotReadyError(f"{program.title} is not ready: {reason}.\nThe end of {file}:\n{lines}")


def _graphql(settings: Settings, query: str) -> dict[str, Any]:
    answer = _get(dagster_url(settings), "/graphql", {"query": query})
    if "errors" in answer:
        raise NotReadyError(f"Dagster refuses a query of the command line: {answer['errors']}")
    data: dict[str, Any] = answer["data"]
    return data


def _get(url: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON at ``path``, posting ``body`` when given. Raises OSError when there is no such answer."""
    # http.client and not urllib, which would ask a proxy for addresses of this machine.
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_ANSWER_SECONDS)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url}{path}: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ConnectionError(f"{url}{path} answers {response.status} {response.reason}")
    answer: dict[str, Any] = json.loads(content)
    return answer
