"""Dagster's processes in the local stack: one code location, and the webserver and the daemon that ask it.

Left to themselves, both start a process of their own for the code, the daemon a new one each minute: three seconds of
CPU every time, and as many at once as a busy machine is behind.

`python -m lakehouse.local.dagster code|webserver|daemon` becomes the process.
"""

import os
import sys
from pathlib import Path

import yaml

import lakehouse
from lakehouse.settings import Settings, load_settings

HOST = "127.0.0.1"
_MODULE, _LOCATION = "lakehouse.definitions", "lakehouse"
_ANSWER_SECONDS = 5


def dagster_command(role: str) -> tuple[str, ...]:
    """The process of ``role``."""
    return (sys.executable, "-m", "lakehouse.local.dagster", role)


def code_answers(settings: Settings) -> str | None:
    """None when the code was loaded, else what is missing."""
    from dagster._core.errors import DagsterUserCodeUnreachableError
    from dagster._grpc.client import DagsterGrpcClient

    try:
        DagsterGrpcClient(port=settings.dagster_code_port, host=HOST).get_server_id(timeout=_ANSWER_SECONDS)
    except DagsterUserCodeUnreachableError:
        return f"the code on port {settings.dagster_code_port} is still loading"
    return None


def code_files() -> list[Path]:
    """What `dagster-code` has loaded besides contracts and models."""
    return sorted(Path(lakehouse.__file__).parent.rglob("*.py"))


def server_command(settings: Settings, role: str) -> list[str]:
    """The command of ``role``, which asks the code location of the stack where it needs one."""
    bin_dir = Path(sys.executable).parent
    workspace = ["-w", str(_workspace_file(settings))]
    if role == "code":
        address = ["-h", HOST, "-p", str(settings.dagster_code_port)]
        code = ["-m", _MODULE, "--location-name", _LOCATION, "--inject-env-vars-from-instance"]
        return [str(bin_dir / "dagster"), "api", "grpc", *address, *code]
    if role == "webserver":
        address = ["-h", settings.dagster_host, "-p", str(settings.dagster_port)]
        return [str(bin_dir / "dagster-webserver"), *address, *workspace]
    return [str(bin_dir / "dagster-daemon"), "run", *workspace]


def _workspace_file(settings: Settings) -> Path:
    """Not the project's `workspace.yaml`, by which a `dagster …` of one's own loads the code itself."""
    return settings.run_dir / "workspace.yaml"


def main(role: str) -> None:
    """Becomes the process of ``role``."""
    settings = load_settings()
    server = {"host": HOST, "port": settings.dagster_code_port, "location_name": _LOCATION}
    # Webserver and daemon write it in the same moment.
    written = settings.run_dir / f"workspace.{role}.yaml"
    written.write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}), encoding="utf-8")
    written.replace(_workspace_file(settings))
    command = server_command(settings, role)
    os.execv(command[0], command)  # noqa: S606 - becoming the command is the purpose


if __name__ == "__main__":
    main(sys.argv[1])
