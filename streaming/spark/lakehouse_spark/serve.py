"""Serves the state of the queries: as JSON for `lakehouse status` and whoever waits until they run, and as metrics."""

import errno
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST

from lakehouse.errors import LakehouseError
from lakehouse_spark.metrics import QueryCollector, exposition
from lakehouse_spark.status import ApplicationStatus


@contextmanager
def serve_status(
    address: tuple[str, int], status: Callable[[], ApplicationStatus], collector: QueryCollector
) -> Iterator[None]:
    """Answers `GET /status` and `GET /metrics` at ``address``, host and port, from a thread of its own.

    Raises LakehouseError when another process has the port.
    """
    pages: dict[str, tuple[str, Callable[[], bytes]]] = {
        "/status": ("application/json", lambda: json.dumps(status().as_of_now().as_json()).encode()),
        "/metrics": (CONTENT_TYPE_LATEST, lambda: exposition(collector)),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in pages:
                self.send_error(404, f"served are {' and '.join(pages)}")
                return
            kind, page = pages[self.path]
            body = page()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (overridden)
            """A poll every few seconds is no news."""

    server = _server(address, Handler)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _server(address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    try:
        return ThreadingHTTPServer(address, handler)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        host, port = address
        raise LakehouseError(
            f"{host}:{port}, where the Spark application tells its status, is in use by another process. Each "
            "application of a host needs a port of its own: choose another, as "
            f"LAKEHOUSE_SPARK_STATUS_PORT={port + 10}"
        ) from error
