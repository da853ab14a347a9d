"""Runs that ended and asset checks, asked of Dagster's webserver: importing Dagster would take ten times the memory."""

import http.client
import json
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from lakehouse.errors import LakehouseError
from lakehouse.observability.metrics import DAGSTER_CHECK, DAGSTER_RUNS, Families

#: Runs that ended between two questions; more of them are not counted.
_MOST_RUNS = 500
#: Asked again for a while before the last question, for clocks and commits are not exact.
_OVERLAP_SECONDS = 60.0
_ENDED = ("SUCCESS", "FAILURE", "CANCELED")
RUNS = """query Runs($filter: RunsFilter!, $limit: Int!) { runsOrError(filter: $filter, limit: $limit) {
  __typename ... on Runs { results { runId jobName status } } ... on PythonError { message } } }"""
CHECKS = """{ assetNodes { assetKey { path } assetChecksOrError {
  ... on AssetChecks { checks { name } } } } }"""
JOBS = "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name } } } } }"
_EXECUTION = """assetCheckExecutions(assetKey: {{path: {path}}}, checkName: {name}, limit: 1) {{
  evaluation {{ success severity }} }}"""


def executions_query(checks: Sequence[tuple[Sequence[str], str]]) -> str:
    """One question for the last execution of each of ``checks``, path of the asset and name: `c0`, `c1` and so on."""
    parts = (
        f"c{number}: {_EXECUTION.format(path=json.dumps(path), name=json.dumps(name))}"
        for number, (path, name) in enumerate(checks)
    )
    return "{ " + " ".join(parts) + " }"


class DagsterError(LakehouseError):
    """The webserver does not answer, or refuses a question."""


class DagsterRuns:
    """Asks the webserver at ``url``; each question takes ``seconds`` at most."""

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self._since = time.time()
        self._counted: OrderedDict[str, None] = OrderedDict()
        self._ended: Counter[tuple[str, str]] = Counter()

    def __call__(self) -> Families:
        """Raises DagsterError, and OSError where nobody listens."""
        asked_at = time.time()
        wanted = {"statuses": list(_ENDED), "updatedAfter": self._since - _OVERLAP_SECONDS}
        answer = self._ask(RUNS, {"filter": wanted, "limit": _MOST_RUNS})["runsOrError"]
        if answer["__typename"] != "Runs":
            raise DagsterError(f"{self._url}/graphql does not list runs: {answer.get('message', answer['__typename'])}")
        for run in answer["results"]:
            if run["runId"] not in self._counted:
                self._counted[run["runId"]] = None
                self._ended[run["jobName"], run["status"].lower()] += 1
        while len(self._counted) > 2 * _MOST_RUNS:
            self._counted.popitem(last=False)
        self._since = asked_at
        for job in self._jobs():
            # From nought on: a job's first failure is seen as growth, and so is one after a restart of this process.
            self._ended[job, "failure"] += 0
        found = Families()
        for labels, count in sorted(self._ended.items()):
            found.add(DAGSTER_RUNS, labels, count)
        for asset, check, evaluation in self._evaluations():
            severity = evaluation["severity"].lower()
            found.add(DAGSTER_CHECK, (asset, check, severity), float(evaluation["success"]))
        return found

    def _jobs(self) -> list[str]:
        """The jobs of all code locations that are loaded."""
        repositories = self._ask(JOBS)["repositoriesOrError"].get("nodes", ())
        return [job["name"] for repository in repositories for job in repository["jobs"]]

    def _evaluations(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Asset, check and the last evaluation of each check that has one: two questions, whatever their number."""
        checks = [
            (node["assetKey"]["path"], check["name"])
            for node in self._ask(CHECKS)["assetNodes"]
            for check in (node["assetChecksOrError"] or {}).get("checks", ())
        ]
        answers = self._ask(executions_query(checks)) if checks else {}
        return [
            ("/".join(path), name, execution["evaluation"])
            for number, (path, name) in enumerate(checks)
            for execution in answers[f"c{number}"]
            if execution["evaluation"]
        ]

    def _ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        # http.client and not urllib, which would ask a proxy for addresses of this machine.
        url = urlsplit(self._url)
        speaking = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = speaking(url.netloc, timeout=self._seconds)
        try:
            body = json.dumps({"query": query, "variables": variables or {}})
            connection.request("POST", f"{url.path}/graphql", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
        except http.client.HTTPException as error:
            raise DagsterError(f"{self._url}/graphql: {error!r}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise DagsterError(f"{self._url}/graphql answers {response.status} {response.reason}")
        answer = json.loads(content)
        if "errors" in answer:
            raise DagsterError(f"{self._url}/graphql refuses {query.split('(')[0]}: {answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data
