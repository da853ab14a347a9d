"""Jars are complete and verified, or absent. A stand-in for Maven copies prepared files."""

import hashlib
from pathlib import Path

import pytest

from lakehouse.local import jars
from lakehouse.local.build import BUILT_JARS
from lakehouse.local.jars import JarError, fetch_jars, jars_current, lock_jars
from lakehouse.local.java import Maven
from lakehouse.settings import Settings


@pytest.fixture
def repository(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the stand-in resolves, by name of the jar."""
    definition = settings.home / "deploy" / "jars" / "kafka"
    definition.mkdir(parents=True)
    (definition / "pom.xml").write_text("<project/>")
    content = {"a-1.jar": b"a", "b-2.jar": b"b"}

    def resolve(_settings: Settings, _jar_set: str, target: Path) -> None:
        target.mkdir()
        for name, data in content.items():
            (target / name).write_bytes(data)

    monkeypatch.setattr(jars, "_resolve", resolve)
    lock_jars(settings, "kafka")
    return content


def test_lock_writes_what_sha256sum_reads(settings: Settings, repository: dict[str, bytes]) -> None:
    lines = lock_jars(settings, "kafka").read_text().splitlines()
    assert lines == [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in repository.items()]


def test_fetch_brings_all_jars(settings: Settings, repository: dict[str, bytes]) -> None:
    directory = fetch_jars(settings, "kafka")
    assert {jar.name: jar.read_bytes() for jar in directory.glob("*.jar")} == repository
    assert jars_current(settings, "kafka")


def test_second_fetch_does_not_ask_maven(
    settings: Settings, repository: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_jars(settings, "kafka")
    monkeypatch.setattr(jars, "_resolve", lambda *_: pytest.fail("Maven was asked again"))
    fetch_jars(settings, "kafka")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a-1.jar": b"tampered"}, "a-1.jar has SHA-256"),
        ({"c-3.jar": b"c"}, "c-3.jar is not listed"),
    ],
)
def test_a_differing_jar_is_named_and_nothing_is_left(
    settings: Settings, repository: dict[str, bytes], change: dict[str, bytes], message: str
) -> None:
    repository.update(change)
    with pytest.raises(JarError, match=message):
        fetch_jars(settings, "kafka")
    assert not (settings.jars_dir / "kafka").exists()


def test_a_missing_jar_is_named(settings: Settings, repository: dict[str, bytes]) -> None:
    del repository["b-2.jar"]
    with pytest.raises(JarError, match=r"b-2\.jar is missing[\s\S]*make lock"):
        fetch_jars(settings, "kafka")


def test_a_changed_pom_fetches_anew_and_drops_old_jars(settings: Settings, repository: dict[str, bytes]) -> None:
    fetch_jars(settings, "kafka")
    (settings.home / "deploy" / "jars" / "kafka" / "pom.xml").write_text("<project>newer</project>")
    del repository["b-2.jar"]
    lock_jars(settings, "kafka")
    assert not jars_current(settings, "kafka")
    directory = fetch_jars(settings, "kafka")
    assert [jar.name for jar in directory.glob("*.jar")] == ["a-1.jar"]


def test_mavens_own_message_is_passed_on(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho 'Could not find artifact x:y:1'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setattr(jars, "find_maven", lambda: Maven(maven, "3.9.9"))
    with pytest.raises(JarError, match="Could not find artifact x:y:1"):
        fetch_jars(settings, "spark")


@pytest.fixture
def sources(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Java sources of a checkout; a stand-in for Maven packs them as they are."""
    streaming = settings.home / "streaming"
    for module in BUILT_JARS["events"]:
        code = streaming / module / "src" / "main" / "java"
        code.mkdir(parents=True)
        (streaming / module / "pom.xml").write_text("<project/>")
        (code / "Code.java").write_text("class Code {}")
    (streaming / "pom.xml").write_text("<project/>")

    def build(_settings: Settings, _jar_set: str, target: Path) -> None:
        target.mkdir()
        (target / "code.jar").write_bytes(b"".join(file.read_bytes() for file in sorted(streaming.rglob("*.java"))))

    monkeypatch.setattr(jars, "build_jars", build)
    return streaming


@pytest.mark.parametrize("file", ["pom.xml", "event-parser/pom.xml", "event-parser/src/main/java/Code.java"])
def test_our_own_jars_are_built_anew_when_their_sources_change(settings: Settings, sources: Path, file: str) -> None:
    fetch_jars(settings, "events")
    assert jars_current(settings, "events")
    (sources / file).write_text("changed")
    assert not jars_current(settings, "events")


def test_our_own_jars_are_not_built_anew_for_a_test(settings: Settings, sources: Path) -> None:
    fetch_jars(settings, "events")
    test = sources / "event-parser" / "src" / "test" / "CodeTest.java"
    test.parent.mkdir(parents=True)
    test.write_text("class CodeTest {}")
    assert jars_current(settings, "events")
