"""Finding Java and Maven. Stand-ins on PATH print what the real programs print."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.local.java import ToolError, find_java, find_maven

REPOSITORY = Path(__file__).parents[3]
MAKE = shutil.which("make")
JAVA_OUTPUT = """Property settings:
    java.home = /opt/jdk
    java.specification.version = {version}
openjdk version "{version}.0.1"
"""


def program(directory: Path, name: str, output: str) -> Path:
    file = directory / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def _only_stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/bin")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / "bin" / name) if on_path(tmp_path, name) else None)


def on_path(directory: Path, name: str) -> bool:
    return (directory / "bin" / name).exists()


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: {"ID": "debian", "VERSION_ID": "12"})


def test_java_on_path_is_found_with_its_home(tmp_path: Path) -> None:
    program(tmp_path / "bin", "java", JAVA_OUTPUT.format(version=21))
    java = find_java()
    assert (java.version, java.home) == (21, Path("/opt/jdk"))


def test_java_home_goes_before_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "bin", "java", JAVA_OUTPUT.format(version=21))
    program(tmp_path / "home" / "bin", "java", JAVA_OUTPUT.format(version=17))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java().version == 17


@pytest.mark.usefixtures("debian")
def test_missing_java_names_the_install_command() -> None:
    with pytest.raises(ToolError, match="sudo apt-get install -y openjdk-17-jdk-headless"):
        find_java()


@pytest.mark.parametrize("version", ["11", "1.8"])
@pytest.mark.usefixtures("debian")
def test_old_java_is_refused_with_its_version(tmp_path: Path, version: str) -> None:
    program(tmp_path / "bin", "java", JAVA_OUTPUT.format(version=version))
    with pytest.raises(ToolError, match=r"Java (11|8) at /opt/jdk is too old: 17 or newer"):
        find_java()


def test_wrong_java_home_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(ToolError, match="nowhere holds no bin/java"):
        find_java()


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ({"ID": "ubuntu", "ID_LIKE": "debian", "VERSION_ID": "24.04"}, "sudo apt-get install -y maven"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "sudo dnf install -y maven"),
        ({"ID": "gentoo"}, "your package manager"),
    ],
)
def test_missing_maven_names_the_platforms_command(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], command: str
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    with pytest.raises(ToolError, match=command):
        find_maven()


def test_missing_maven_on_a_mac_names_brew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(ToolError, match="brew install maven"):
        find_maven()


def test_maven_version_is_read_past_its_colours(tmp_path: Path) -> None:
    program(tmp_path / "bin", "mvn", "\x1b[1mApache Maven 3.9.9\x1b[m\nMaven home: /usr/share/maven")
    assert find_maven().version == "3.9.9"


def test_a_maven_that_is_too_old_is_refused(tmp_path: Path) -> None:
    program(tmp_path / "bin", "mvn", "Apache Maven 3.6.0")
    with pytest.raises(ToolError, match=r"Maven 3\.6\.0 at .* is too old: 3\.6\.3 or newer"):
        find_maven()


class TestBeforeAnythingIsInstalled:
    """The Makefile runs the module with the machine's Python, which has no package of the project."""

    def check(self, tmp_path: Path) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(tmp_path / "bin"), "PYTHONPATH": str(REPOSITORY / "platform" / "src")}
        # -S hides every installed package.
        command = [sys.executable, "-S", "-m", "lakehouse.local.java"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def test_everything_that_is_missing_is_told_with_its_install_command(self, tmp_path: Path) -> None:
        done = self.check(tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("no Java found")
        assert "no Maven found" in done.stderr
        assert done.stderr.count("nstall") >= 2

    def test_where_both_are_there_it_says_nothing(self, tmp_path: Path) -> None:
        program(tmp_path / "bin", "java", JAVA_OUTPUT.format(version=21))
        program(tmp_path / "bin", "mvn", "Apache Maven 3.9.9")
        (tmp_path / "bin" / "cat").symlink_to("/bin/cat")
        done = self.check(tmp_path)
        assert (done.returncode, done.stderr) == (0, "")

    def test_make_asks_before_it_makes_an_environment(self, tmp_path: Path) -> None:
        """`make up` in a clone on a machine without Java leaves no half-made environment behind."""
        for name in ("Makefile", "requirements.lock", "requirements-bootstrap.txt", "pyproject.toml", "platform"):
            (tmp_path / name).symlink_to(REPOSITORY / name)
        (tmp_path / "bin").mkdir()
        assert MAKE is not None
        done = subprocess.run(
            [MAKE, "up", f"PYTHON={sys.executable}"],
            cwd=tmp_path,
            env={"PATH": str(tmp_path / "bin")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert "no Java found" in done.stderr
        assert not (tmp_path / ".venv").exists()
