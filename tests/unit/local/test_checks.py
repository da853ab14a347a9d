"""The checks of the machine, each against the real thing."""

import os
import shutil
import socket
from collections.abc import Iterator

import psutil
import pytest

from lakehouse.local.checks import MachineError, check_disk, check_machine, check_port
from lakehouse.local.processes import short_command
from lakehouse.local.supervisor import Supervisor
from lakehouse.settings import Settings, load_settings


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_busy_port_names_its_holder_and_the_setting(settings: Settings, busy_port: int) -> None:
    with pytest.raises(MachineError) as error:
        check_port("kafka_port", busy_port, Supervisor(settings), "kafka")
    for expected in (
        f"port {busy_port}",
        "needed by kafka",
        f"pid {os.getpid()}",
        short_command(psutil.Process()),
        "LAKEHOUSE_KAFKA_PORT=",
    ):
        assert expected in str(error.value)


def test_a_free_port_is_fine(settings: Settings, busy_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert check_port("kafka_port", free, Supervisor(settings), "kafka") == "free"


def test_only_the_ports_of_the_chosen_programs_matter(settings: Settings, busy_port: int) -> None:
    busy = load_settings({"home": settings.home, "dagster_port": busy_port})
    check_machine(busy, Supervisor(busy), ["dagster-daemon"])
    with pytest.raises(MachineError, match="LAKEHOUSE_DAGSTER_PORT"):
        check_machine(busy, Supervisor(busy), ["dagster-webserver"])


def test_a_full_disk_says_how_much_is_needed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    with pytest.raises(MachineError, match=r"only 0.0 GiB free[\s\S]*LAKEHOUSE_STATE_DIR"):
        check_disk(settings)


def test_a_full_disk_names_commands_that_free_space_and_how_much(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))  # type: ignore[attr-defined]
    for name in ("logs", "tables"):
        (settings.state_dir / name).mkdir(parents=True)
        # Its size counts, and sparse it is written at once.
        with (settings.state_dir / name / "file").open("wb") as file:
            file.truncate(512 * 1024**2)
    with pytest.raises(MachineError) as error:
        check_disk(settings)
    assert f"rm -r {settings.state_dir / 'logs'}    frees 0.5 GiB" in str(error.value)
    assert f"lakehouse down && rm -r {settings.state_dir}    frees 1.0 GiB" in str(error.value)


def test_a_state_directory_that_is_none_is_named(settings: Settings) -> None:
    settings.state_dir.write_text("a file")
    with pytest.raises(MachineError, match=f"{settings.state_dir} is not a directory that you can write to"):
        check_machine(settings, Supervisor(settings), [])
