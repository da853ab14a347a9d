"""Dagster makes a Job of a run, or of a step, by the chart's own instance, for a listener in place of the API server.

The listener assumes that a server which is asked to create a valid Job creates it, and answers with it; that nothing
runs it, it tells as a Job that failed. What a real one does is tried in tests/integration/cluster.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.integration.kubernetes_run import JOBS, charted, check_job, check_pod, dagster, launch
from tests.lakehouse_dbt import home_with_spark


@pytest.fixture
def server(tmp_path: Path):
    """A listener that keeps the Jobs it is given, and the configuration of a client for it."""
    jobs = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            jobs.append((self.path, body))
            self.answer(201, body)

        def do_GET(self):
            self.answer(200, {**jobs[-1][1], "status": {"failed": 1}})

        def answer(self, status, body):
            answer = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format, *args):  # noqa: A002  (overridden)
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
    address = f"http://127.0.0.1:{listener.server_port}"
    told = {"clusters": [{"name": "test", "cluster": {"server": address}}], "users": [{"name": "test", "user": {}}]}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump({"apiVersion": "v1", "current-context": "test", "contexts": [context], **told})
    )
    yield kubeconfig, jobs
    listener.shutdown()
    listener.server_close()


@pytest.mark.parametrize("job", JOBS)
def test_a_run_becomes_a_job(job: str, server, tmp_path: Path):
    kubeconfig, jobs = server
    launch(job, charted("minimal"), kubeconfig, tmp_path)
    check_job(job, only_one(jobs))


@pytest.mark.parametrize(("model", "image"), [("marts/fct_orders_daily", "spark"), ("staging/stg_orders", "dagster")])
def test_a_step_of_a_run_of_models_becomes_a_job_of_its_engine(model: str, image: str, server, tmp_path: Path):
    kubeconfig, jobs = server
    command = ["asset", "materialize", "--select", f"key:{model}", "--partition", "2026-01-02"]
    done = dagster(command, charted("minimal"), kubeconfig, tmp_path, home_with_spark(tmp_path))
    assert "Discovered failed Kubernetes job" in done.stdout + done.stderr, done.stdout + done.stderr
    made = only_one(jobs)
    check_pod(image, "execute_step", made)
    environment = {each["name"]: each.get("value") for each in made["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert environment.get("LAKEHOUSE_SPARK_MASTER") == ("local[2]" if image == "spark" else None)


def only_one(jobs):
    """The Job that was created, which is valid."""
    assert [path for path, _ in jobs] == ["/apis/batch/v1/namespaces/lakehouse/jobs"]
    made = jobs[0][1]
    kubernetes_validate.validate(made, "1.34", strict=True)
    return made
