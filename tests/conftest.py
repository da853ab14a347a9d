"""Fixtures that all tests share. Nothing here starts a process."""

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from lakehouse.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[1]

# A deadline for each example would measure the machine, and others use that, too.
hypothesis.settings.register_profile("shared_machine", deadline=None)
hypothesis.settings.load_profile("shared_machine")


class Together(LoadScopeScheduling):
    """Two processes share the tests: those that share what they started stay together, of a file and of Flink."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0]
        return "flink" if "/integration/flink/" in file else file


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole stack first: it takes longest, and at the end another stack would be beside it."""
    items.sort(key=lambda item: "/test_stack.py" not in item.nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hands out the tests of a run with `--numprocesses`."""
    return Together(config, log)


def free_port() -> int:
    """A port nobody listens on, below those that the kernel gives to the connections of other tests."""
    while not _is_free(port := random.randrange(10_000, 32_000)):
        pass
    return port


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each once."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(free_port())
    return list(ports)


def free_ports_in_a_row(count: int) -> range:
    """Ports one behind the other, on which nobody listens right now."""
    while True:
        ports = range(first := free_port(), first + count)
        if all(_is_free(port) for port in ports):
            return ports


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> None:
    """The settings of whoever runs the tests are not those of the tests."""
    for name in [name for name in os.environ if name.startswith(("LAKEHOUSE_", "DAGSTER_", "DBT_"))]:
        del os.environ[name]


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., Settings]:
    """Settings of this project below a state directory of one's own, every port free."""

    def make(state_dir: Path, **overrides: object) -> Settings:
        names = [name for name in Settings.model_fields if name.endswith("_port")]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        return load_settings({"home": REPOSITORY, "state_dir": state_dir, **ports, **overrides})

    return make
