"""Fixtures that all tests share. Nothing here starts a process."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[1]


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> None:
    """The settings of whoever runs the tests are not those of the tests."""
    for name in [name for name in os.environ if name.startswith(("LAKEHOUSE_", "DAGSTER_", "DBT_"))]:
        del os.environ[name]


@pytest.fixture(scope="session")
def make_settings() -> Callable[..., Settings]:
    """Settings of this project below a state directory of one's own, every port free."""

    def make(state_dir: Path, **overrides: object) -> Settings:
        ports = {name: free_port() for name in Settings.model_fields if name.endswith("_port")}
        return load_settings({"home": REPOSITORY, "state_dir": state_dir, **ports, **overrides})

    return make
