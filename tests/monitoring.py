"""What a running Prometheus and its Alertmanager know, and whom they call."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Prometheus:
    """The server on ``port`` of this machine."""

    port: int

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The labels and the value of each series that ``expression`` has now. What is no number is none."""
        found = self._get(f"/api/v1/query?query={quote(expression)}")["result"]
        return [(series["metric"], value) for series in found if (value := float(series["value"][1])) == value]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with how its last evaluation went."""
        return [rule for group in self._get("/api/v1/rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[tuple[str, str]]:
        """Name and table of each alert that fires."""
        alerts = self._get("/api/v1/alerts")["alerts"]
        return {
            (alert["labels"]["alertname"], alert["labels"].get("table", ""))
            for alert in alerts
            if alert["state"] == "firing"
        }

    def described(self, name: str, table: str) -> str | None:
        """What the alert says of ``table``, or of the Flink job that writes it; None while it does not fire."""
        for alert in self._get("/api/v1/alerts")["alerts"]:
            labels = alert["labels"]
            # Flink's reporter writes a dot of a name as an underscore.
            concerned = labels.get("table") or labels.get("job_name", "")
            if (alert["state"], labels["alertname"]) == ("firing", name) and concerned in (
                table,
                table.replace(".", "_"),
            ):
                return str(alert["annotations"]["description"])
        return None

    def _get(self, path: str) -> Any:
        answer = _get(self.port, path)
        assert answer["status"] == "success", (path, answer)
        return answer["data"]


@dataclass(frozen=True)
class Alertmanager:
    """The server on ``port`` of this machine."""

    port: int

    def state(self, name: str, table: str) -> str | None:
        """`active`, or `suppressed` where nobody is told; None of an alert that it does not know."""
        for alert in _get(self.port, "/api/v2/alerts"):
            if (alert["labels"]["alertname"], alert["labels"].get("table", "")) == (name, table):
                return str(alert["status"]["state"])
        return None


def _get(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@dataclass
class Called:
    """Who was called, in the order of the calls: receiver, name and table of the alert, `firing` or `resolved`."""

    port: int
    calls: list[tuple[str, str, str, str]] = field(default_factory=list)

    def destination(self, receiver: str) -> dict[str, Any]:
        """How Alertmanager reaches ``receiver`` here."""
        return {"webhook_configs": [{"url": f"http://127.0.0.1:{self.port}/{quote(receiver, safe='')}"}]}

    def for_alert(self, receiver: str, name: str, table: str) -> list[str]:
        """What ``receiver`` heard of the alert, each once where it was said again."""
        states = [state for *alert, state in self.calls if alert == [receiver, name, table]]
        return [state for before, state in zip([None, *states], states, strict=False) if state != before]

    def last(self, receiver: str, name: str, table: str) -> str | None:
        """What ``receiver`` heard last of the alert; None where it was not called for it."""
        return next(iter(self.for_alert(receiver, name, table)[::-1]), None)

    def heard(self) -> list[tuple[str, str, str, str]]:
        return self.calls


@contextmanager
def being_called() -> Iterator[Called]:
    """Listens for Alertmanager's calls meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            receiver = unquote(self.path.removeprefix("/"))
            for alert in told["alerts"]:
                labels = alert["labels"]
                called.calls.append((receiver, labels["alertname"], labels.get("table", ""), alert["status"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (overridden)
            """A call is kept, and no news besides."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    called = Called(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield called
    finally:
        server.shutdown()
        server.server_close()
