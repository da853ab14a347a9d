"""Waiting for a port, then becoming the command."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from lakehouse.local.wait_for import wait_for_port


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_it_becomes_the_command_once_the_port_is_open() -> None:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "lakehouse.local.wait_for",
        f"127.0.0.1:{port}",
        "--",
        "sh",
        "-c",
        "echo $$; exit 7",
    ]
    waiting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert waiting.poll() is None
    with socket.create_server(("127.0.0.1", port)):
        output, _ = waiting.communicate(timeout=120)
    assert (int(output), waiting.returncode) == (waiting.pid, 7)


def test_a_port_that_opens_later_is_enough() -> None:
    port = free_port()
    opened: list[socket.socket] = []
    opener = threading.Timer(0.3, lambda: opened.append(socket.create_server(("127.0.0.1", port))))
    began = time.monotonic()
    opener.start()
    wait_for_port(f"127.0.0.1:{port}", deadline_seconds=10)
    assert time.monotonic() - began >= 0.25
    opener.join()
    opened[0].close()


def test_it_gives_up_naming_the_address() -> None:
    port = free_port()
    with pytest.raises(TimeoutError, match=f"127.0.0.1:{port}"):
        wait_for_port(f"127.0.0.1:{port}", deadline_seconds=0.3)
