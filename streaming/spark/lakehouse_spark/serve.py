"""Serves the state of the queries as JSON, for `lakehouse status` and for whoever waits until they run."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lakehouse_spark.status import ApplicationStatus


def serve_status(port: int, status: Callable[[], ApplicationStatus]) -> ThreadingHTTPServer:
    """Answers `GET /status` on 127.0.0.1:``port`` from a thread of its own, until ``shutdown``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/status":
                self.send_error(404, "only /status is served")
                return
            body = json.dumps(status().as_json()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (overridden)
            """A poll every few seconds is no news."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server
