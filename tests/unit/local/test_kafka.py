"""The broker's configuration."""

from lakehouse.local.java import Java
from lakehouse.local.kafka import broker_command, server_properties
from lakehouse.settings import Settings, load_settings


def properties(settings: Settings) -> dict[str, str]:
    return dict(line.split("=", 1) for line in server_properties(settings).splitlines())


def test_ports_follow_the_settings_and_stay_on_loopback(settings: Settings) -> None:
    moved = load_settings({"home": settings.home, "kafka_port": 1234, "kafka_controller_port": 1235})
    assert properties(moved)["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235"


def test_topics_are_never_created_by_mistake(settings: Settings) -> None:
    assert properties(settings)["auto.create.topics.enable"] == "false"


def test_data_lies_in_the_state_directory(settings: Settings) -> None:
    assert properties(settings)["log.dirs"].startswith(str(settings.state_dir))


def test_the_heap_is_a_setting(settings: Settings, java: Java) -> None:
    roomy = load_settings({"home": settings.home, "kafka_heap": "2g"})
    assert broker_command(roomy, java)[:2] == ("/opt/java/bin/java", "-Xmx2g")
