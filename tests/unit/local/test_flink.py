"""The local cluster's configuration: the production one, and what one machine needs over it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lakehouse.local.flink import (
    FlinkMemoryError,
    Memory,
    cluster_configuration,
    cluster_fingerprint,
    jvm_command,
    prepare_cluster,
)
from lakehouse.settings import Settings

MIB = 1024**2


@pytest.fixture
def settings(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def test_the_parts_make_up_the_process() -> None:
    memory = Memory.of_process(1728 * MIB, 0.4)
    assert memory.managed == 512 * MIB
    assert memory.network == 128 * MIB
    assert memory.heap + memory.off_heap + memory.managed + memory.overhead + 256 * MIB == 1728 * MIB


def test_too_little_memory_is_refused_with_what_would_do() -> None:
    with pytest.raises(FlinkMemoryError, match=r"LAKEHOUSE_FLINK_TASKMANAGER_MEMORY=700 leaves .* give it 1300"):
        Memory.of_process(700 * MIB, 0.4)


def test_what_is_advised_as_enough_is_enough() -> None:
    assert Memory.of_process(1300 * MIB, 0.4).heap >= 256 * MIB


def test_the_production_settings_are_under_the_local_ones(settings: Settings) -> None:
    production = yaml.safe_load((settings.home / "deploy" / "flink" / "config.yaml").read_text())
    local = cluster_configuration(settings)
    kept = {key for key in production if local[key] == production[key]}
    assert set(production) - kept <= {"metrics.reporter.prom.port"}
    assert local["restart-strategy.type"] == "exponential-delay"
    assert local["rest.port"] == settings.flink_rest_port


def test_both_processes_read_one_configuration(settings: Settings) -> None:
    prepare_cluster(settings)
    (file,) = settings.run_dir.rglob("config.yaml")
    assert yaml.safe_load(file.read_text()) == cluster_configuration(settings)
    for role in ("jobmanager", "taskmanager"):
        command = jvm_command(settings, Path("/java"), role)
        assert command[command.index("--configDir") + 1] == str(file.parent)


def test_checkpoints_on_s3_go_through_hadoop(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    remote = settings.model_copy(update={"checkpoint_root": "s3a://bucket/checkpoints"})
    assert cluster_configuration(remote)["flink.hadoop.fs.s3a.endpoint"] == "http://store:9000"
    assert not any(option.startswith("flink.hadoop.") for option in cluster_configuration(settings))
    class_path = jvm_command(settings, Path("/java"), "taskmanager")
    assert str(settings.jars_dir / "s3" / "*") in class_path[class_path.index("-cp") + 1].split(":")


def test_another_port_is_another_cluster(settings: Settings) -> None:
    moved = settings.model_copy(update={"flink_rest_port": settings.flink_rest_port + 1})
    assert cluster_fingerprint(settings) != cluster_fingerprint(moved)
    assert cluster_fingerprint(settings) == cluster_fingerprint(settings)


def test_rocksdb_gets_no_place_for_logs_whose_names_would_be_too_long(make_settings: Callable[..., Settings]) -> None:
    short, long = (cluster_configuration(make_settings(Path("/srv") / ("d" * length))) for length in (8, 80))
    assert short["state.backend.rocksdb.log.dir"] == "/srv/dddddddd/tmp/flink-taskmanager"
    assert "state.backend.rocksdb.log.dir" not in long
