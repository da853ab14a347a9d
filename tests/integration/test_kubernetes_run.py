"""Dagster's launcher makes a Job of a run, by the chart's own instance, for a listener in place of the API server.

The listener assumes that a server which is asked to create a valid Job creates it, and answers with it. What a real one
does is tried in tests/integration/cluster.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.integration.kubernetes_run import JOBS, charted, check_job, launch


@pytest.fixture
def server():
    """A listener that keeps the Jobs it is given, and the configuration of a client for it."""
    jobs = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            jobs.append((self.path, body))
            answer = json.dumps(body).encode()
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format, *args):  # noqa: A002  (overridden)
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}", jobs
    listener.shutdown()
    listener.server_close()


@pytest.mark.parametrize("job", JOBS)
def test_a_run_becomes_a_job(job: str, server, tmp_path: Path):
    objects = charted("minimal")
    address, jobs = server
    context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
    told = {"clusters": [{"name": "test", "cluster": {"server": address}}], "users": [{"name": "test", "user": {}}]}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump({"apiVersion": "v1", "current-context": "test", "contexts": [context], **told})
    )

    launch(job, objects, kubeconfig, tmp_path)

    assert [path for path, _ in jobs] == ["/apis/batch/v1/namespaces/lakehouse/jobs"]
    made = jobs[0][1]
    kubernetes_validate.validate(made, "1.34", strict=True)
    check_job(job, made)
