"""Builds the project's own jars with Maven: what `streaming/` runs in the JVMs of Spark and Flink."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.local.java import find_maven
from lakehouse.settings import Settings

#: Jar set → the modules below streaming/ whose jars make it.
BUILT_JARS = {
    "events": ("event-parser", "spark/event-function"),
    "log-store": ("log-store",),
    "flink": ("flink/jobs",),
}
#: Modules that end up in the jar of another one.
_INSIDE = {"flink/jobs": ("event-parser", "log-store", "flink/delta-sink")}


#: What Flink's jobs are submitted as.
JOBS_JAR = "flink-jobs-0.1.0.jar"


class BuildError(LakehouseError):
    """The project's Java code does not compile."""


def build_jars(settings: Settings, jar_set: str, target: Path) -> None:
    """Compiles the modules of ``jar_set`` and copies their jars to ``target``. Raises BuildError with Maven's words."""
    streaming, modules = settings.home / "streaming", BUILT_JARS[jar_set]
    pom = streaming / "pom.xml"
    command = [
        str(find_maven().executable), "--batch-mode", "--quiet", "--file", str(pom), "package",
        "--projects", ",".join(modules), "--also-make", "-DskipTests", "-Dspotless.check.skip=true",
    ]  # fmt: skip
    with pom.open() as lock:
        # Maven's own directories are shared by all who build here.
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise BuildError(
                f"Maven could not build {', '.join(modules)} of {pom}:\n{(done.stdout + done.stderr).strip()}\n"
                "Mend the code it names; for a problem of the network see Maven's settings (~/.m2/settings.xml)."
            )
        target.mkdir()
        for module in modules:
            for jar in _jars(streaming / module / "target"):
                shutil.copy(jar, target)


def _jars(directory: Path) -> Iterator[Path]:
    """What the module is used as: not its tests, nor what it was before its dependencies were put in."""
    for jar in directory.glob("*.jar"):
        if not jar.name.startswith("original-") and not jar.stem.endswith("-tests"):
            yield jar


def sources_fingerprint(settings: Settings, jar_set: str) -> str:
    """Changes with whatever the jars of ``jar_set`` are made from."""
    digest = hashlib.sha256()
    for file in sorted(_sources(settings.home / "streaming", BUILT_JARS[jar_set])):
        digest.update(f"{file.relative_to(settings.home)}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources(streaming: Path, modules: tuple[str, ...]) -> Iterator[Path]:
    yield streaming / "pom.xml"
    inside = [part for module in modules for part in _INSIDE.get(module, ())]
    for module in (*modules, *inside):
        yield streaming / module / "pom.xml"
        yield from (file for file in (streaming / module / "src" / "main").rglob("*") if file.is_file())
