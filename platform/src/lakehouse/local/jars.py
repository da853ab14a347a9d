"""The jars that the JVMs run: pinned ones, resolved through Maven and verified, and those of the project itself.

``deploy/jars/<set>/pom.xml`` says which jars are pinned, ``checksums.sha256`` beside it (as of ``sha256sum``) their
content. What is built from ``streaming/`` has no checksum: it is as trusted as the checkout.
"""

import fcntl
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse.errors import LakehouseError
from lakehouse.local.build import BUILT_JARS, build_jars, sources_fingerprint
from lakehouse.local.java import find_maven
from lakehouse.settings import Settings

PINNED_JARS = ("kafka", "spark", "s3")
JAR_SETS = (*PINNED_JARS, *BUILT_JARS)
#: Fetched by the tests that use them.
TEST_JAR_SETS = ("s3proxy",)
_STAMP = ".complete"


class JarError(LakehouseError):
    """Jars cannot be resolved, or are not what the checksums say."""


def jars_current(settings: Settings, jar_set: str) -> bool:
    """Whether the jars on disk are those of the present pom and checksums."""
    stamp = settings.jars_dir / jar_set / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _fingerprint(settings, jar_set)


def fetch_jars(settings: Settings, jar_set: str) -> Path:
    """The directory of the jars of ``jar_set``, fetched and verified, or built, where they are not there yet.

    Complete or absent: the directory appears in one rename. Raises JarError naming the jar and the remedy, BuildError.
    """
    directory = settings.jars_dir / jar_set
    settings.jars_dir.mkdir(parents=True, exist_ok=True)
    with _lock(settings.jars_dir / f".{jar_set}.lock"):
        if jars_current(settings, jar_set):
            return directory
        with tempfile.TemporaryDirectory(dir=settings.jars_dir, prefix=f".{jar_set}-") as temporary:
            fetched = Path(temporary) / jar_set
            if jar_set in BUILT_JARS:
                build_jars(settings, jar_set, fetched)
            else:
                _resolve(settings, jar_set, fetched)
                _verify(_definition(settings, jar_set), jar_set, fetched)
            (fetched / _STAMP).write_text(_fingerprint(settings, jar_set), encoding="utf-8")
            if directory.exists():
                os.rename(directory, Path(temporary) / "previous")
            os.rename(fetched, directory)
    return directory


def lock_jars(settings: Settings, jar_set: str) -> Path:
    """Writes the checksums of what Maven resolves now, and returns their file. For whoever changed the pom."""
    file = _definition(settings, jar_set) / "checksums.sha256"
    with tempfile.TemporaryDirectory() as temporary:
        fetched = Path(temporary) / jar_set
        _resolve(settings, jar_set, fetched)
        lines = [f"{_sha256(jar)}  {jar.name}\n" for jar in sorted(fetched.glob("*.jar"))]
    file.write_text("".join(lines), encoding="utf-8")
    return file


def _resolve(settings: Settings, jar_set: str, target: Path) -> None:
    pom = _definition(settings, jar_set) / "pom.xml"
    command = [
        str(find_maven().executable), "--batch-mode", "--quiet", "--file", str(pom), "dependency:copy-dependencies",
        "-DincludeScope=runtime", f"-DoutputDirectory={target}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0 or not target.is_dir():
        raise JarError(
            f"Maven could not resolve the jars of {pom}:\n{(done.stdout + done.stderr).strip()}\n"
            "Check the network and Maven's settings (~/.m2/settings.xml: mirrors, proxies), then try again."
        )


def _verify(definition: Path, jar_set: str, directory: Path) -> None:
    file = definition / "checksums.sha256"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise JarError(f"the checksums of the {jar_set} jars cannot be read: {error}") from error
    expected = {name: digest for digest, name in (line.split(maxsplit=1) for line in lines)}
    found = {jar.name: _sha256(jar) for jar in sorted(directory.glob("*.jar"))}
    problems = [
        *(f"{name} is missing" for name in sorted(expected.keys() - found.keys())),
        *(f"{name} is not listed" for name in sorted(found.keys() - expected.keys())),
        *(
            f"{name} has SHA-256 {found[name]}, expected {expected[name]}"
            for name in sorted(expected.keys() & found.keys())
            if found[name] != expected[name]
        ),
    ]
    if problems:
        raise JarError(
            f"the {jar_set} jars are not those of {file}:\n  " + "\n  ".join(problems) + "\n"
            "If you changed pom.xml, run `make lock`. Otherwise a copy is damaged or was tampered with: delete it "
            "from ~/.m2/repository and try again."
        )


def _definition(settings: Settings, jar_set: str) -> Path:
    return settings.home / "deploy" / "jars" / jar_set


def _fingerprint(settings: Settings, jar_set: str) -> str:
    """Changes with the pom and with the checksums, or with the sources."""
    if jar_set in BUILT_JARS:
        return sources_fingerprint(settings, jar_set)
    definition = _definition(settings, jar_set)
    files = (definition / "pom.xml", definition / "checksums.sha256")
    return "\n".join(_sha256(file) if file.is_file() else "missing" for file in files)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    """One process at a time: `make up` and `make test` may well run side by side."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
