"""What a user is told of a Java stack trace: the cause, not the way to it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tests.conftest import free_port

from lakehouse.flink.rest import FlinkUnreachableError, JobManager, reason

REFUSED = """\
org.apache.flink.util.FlinkException: The job failed
\tat a.B.c(B.java:1)
Caused by: java.lang.IllegalStateException: the table is ahead: checkpoint 7, table 9
\t... 8 more
"""


@pytest.mark.parametrize(
    ("trace", "told"),
    [
        (
            REFUSED,
            "the table is ahead: checkpoint 7, table 9",
        ),
        ("java.lang.NullPointerException\n\tat a.B.c(B.java:1)", "java.lang.NullPointerException"),
        ("Job not found", "Job not found"),
        ("a.MyError: first\nCaused by: b.OtherException: the last: word\n\tat x.y(Z.java:2)", "the last: word"),
    ],
)
def test_the_last_cause_is_told(trace: str, told: str) -> None:
    assert reason(trace) == told


def test_a_jobmanager_that_is_not_there_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(FlinkUnreachableError, match=url):
        JobManager(url).jobs()


def test_a_jobmanager_that_does_not_lead_yet_counts_as_not_there() -> None:
    """Its answer is what Flink 2.3 says for some seconds after its start."""

    class NoLeader(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            told = "Service temporarily unavailable due to an ongoing leader election. Please refresh."
            self.wfile.write(json.dumps({"errors": [told]}).encode())

        def log_message(self, *_: object) -> None:
            """Not into the output of the tests."""

    with HTTPServer(("127.0.0.1", 0), NoLeader) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(FlinkUnreachableError, match=r"does not serve yet: .* leader election"):
            JobManager(f"http://127.0.0.1:{server.server_port}").jobs()
