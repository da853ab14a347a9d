"""Finds Java and Maven, and says how to install them where they are missing.

`python -m lakehouse.local.java` says it before anything is installed: the Makefile runs it with whatever Python the
machine has, so nothing here may need more than Python itself.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lakehouse.errors import LakehouseError

#: What Kafka 4, Spark 4 and Flink 2 all run on.
MINIMUM_JAVA = 17
#: What the plugins of the poms ask for.
MINIMUM_MAVEN = (3, 6, 3)
_ANSWER_SECONDS = 60


class ToolError(LakehouseError):
    """A program the stack needs is missing or too old."""


@dataclass(frozen=True)
class Java:
    """A Java installation. ``version`` is the feature release, as in 17."""

    home: Path
    version: int

    @property
    def executable(self) -> Path:
        return self.home / "bin" / "java"


def frugal_heap(limit: str) -> tuple[str, ...]:
    """The flags of a heap of at most ``limit`` that takes no more of it than it needs.

    A JVM begins with a 64th of the machine's memory by default, and fills that before it collects anything. The serial
    collector keeps least beside the heap; at these sizes its pauses are some milliseconds.
    """
    return (f"-Xmx{limit}", "-Xms32m", "-XX:+UseSerialGC")


def find_java() -> Java:
    """The Java of ``JAVA_HOME``, else of ``PATH``.

    Raises ToolError with the install command when there is none, or when it is older than MINIMUM_JAVA.
    """
    java_home = os.environ.get("JAVA_HOME")
    executable = Path(java_home) / "bin" / "java" if java_home else shutil.which("java")
    if executable is None:
        raise ToolError(f"no Java found: neither JAVA_HOME is set nor is `java` on PATH.\n{_install('java')}")
    if not Path(executable).is_file():
        raise ToolError(f"JAVA_HOME={java_home} holds no bin/java: correct it, or unset it to use the java on PATH")
    output = _output([str(executable), "-XshowSettings:properties", "-version"])
    home = re.search(r"^\s*java\.home = (.+)$", output, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", output, re.MULTILINE)
    if home is None or version is None:
        raise ToolError(f"{executable} does not say its version. It printed:\n{output.strip()}\n{_install('java')}")
    java = Java(home=Path(home[1].strip()), version=int(version[1]))
    if java.version < MINIMUM_JAVA:
        raise ToolError(
            f"Java {java.version} at {java.home} is too old: {MINIMUM_JAVA} or newer is needed.\n{_install('java')}\n"
            "Where several are installed, set JAVA_HOME to the newer one."
        )
    return java


@dataclass(frozen=True)
class Maven:
    """A Maven installation. ``version`` as in 3.8.7."""

    executable: Path
    version: str


def find_maven() -> Maven:
    """The ``mvn`` on ``PATH``.

    Raises ToolError with the install command when there is none, when it does not run, or when it is older than
    MINIMUM_MAVEN.
    """
    executable = shutil.which("mvn")
    if executable is None:
        raise ToolError(f"no Maven found: `mvn` is not on PATH.\n{_install('maven')}")
    output = _output([executable, "--batch-mode", "--version"])
    match = re.search(r"Apache Maven ((\d+)\.(\d+)\.(\d+)\S*?)(?:\x1b|\s|$)", output)
    if match is None:
        raise ToolError(f"mvn does not say its version. It printed:\n{output.strip()}\n{_install('maven')}")
    if tuple(int(part) for part in match.groups()[1:]) < MINIMUM_MAVEN:
        minimum = ".".join(str(part) for part in MINIMUM_MAVEN)
        raise ToolError(
            f"Maven {match[1]} at {executable} is too old: {minimum} or newer is needed.\n{_install('maven')}"
        )
    return Maven(Path(executable), match[1])


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"`{' '.join(command)}` does not run: {error}") from error
    return done.stdout + done.stderr


def _install(tool: str) -> str:
    return f"Install it: {_install_command(tool)}"


def _install_command(tool: str) -> str:
    """The command of this platform's package manager that installs ``tool`` (``java`` or ``maven``)."""
    if sys.platform == "darwin":
        return {"java": "brew install openjdk@17", "maven": "brew install maven"}[tool]
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    family = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    if family & {"debian", "ubuntu"}:
        # Debian 13 dropped 17; the releases before it do not all have 21.
        debian_13 = release.get("ID") == "debian" and int(release.get("VERSION_ID", "0") or 0) >= 13
        package = {"java": f"openjdk-{21 if debian_13 else 17}-jdk-headless", "maven": "maven"}[tool]
        return f"sudo apt-get install -y {package}"
    if family & {"fedora", "rhel", "centos"}:
        return f"sudo dnf install -y {({'java': 'java-21-openjdk-headless', 'maven': 'maven'})[tool]}"
    return f"your package manager has it as {({'java': 'JDK 17 or newer', 'maven': 'Maven 3.6.3 or newer'})[tool]}"


def main() -> int:
    """Checks both, and prints each problem to stderr; the exit code is 1 where there is one."""
    problems = []
    for find in (find_java, find_maven):
        try:
            find()
        except ToolError as error:
            problems.append(str(error))
    sys.stderr.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
