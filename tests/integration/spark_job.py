"""The Spark application as its own process, as its supervisor runs it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from lakehouse.settings import Settings


class SparkJob:
    """Starts, kills and stops `python -m lakehouse_spark`, of one group or of all. Its output goes to ``log``."""

    def __init__(self, settings: Settings, group: str | None = None) -> None:
        self._settings = settings
        self._arguments = () if group is None else ("--group", group)
        self._process: subprocess.Popen[bytes] | None = None
        self.log: Path = settings.state_dir / f"spark{f'-{group}' if group else ''}.log"

    def start(self) -> None:
        environment = {**os.environ, **self._settings.as_environment()}
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lakehouse_spark", *self._arguments],
                # Some tests run dbt in this process, which leaves it in the directory of the dbt project.
                cwd=self._settings.home,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_driver(self) -> None:
        """SIGKILL to the Python driver alone: its JVM notices only afterwards."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_everything(self) -> None:
        """SIGKILL to driver and JVM at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self, seconds: float) -> int:
        """SIGTERM, and the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=seconds)

    @property
    def killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self._process is not None and self._process.returncode == -signal.SIGKILL

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def clean_up(self) -> None:
        """Leaves no process behind, whatever the test did."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()
