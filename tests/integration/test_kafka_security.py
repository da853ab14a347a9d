"""Every client in Python against a broker that asks for TLS and SASL."""

from pathlib import Path

import pytest

from lakehouse.contracts import find_contract
from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.producer import ProduceError, produce
from lakehouse.local.kafka import ensure_topics
from lakehouse.observability.broker import Broker as KafkaBroker
from lakehouse.sampling.sample import sample_topic
from lakehouse.settings import Settings
from lakehouse_spark.broker import TopicOffsets, reachable
from tests.integration.conftest import REPOSITORY, SASL, Broker

TOPIC = "orders.events"


@pytest.fixture(scope="module")
def secured(secured_broker: Broker) -> Settings:
    """Settings of a broker with a topic of 100 orders."""
    settings = secured_broker.settings
    ensure_topics(settings, [find_contract(REPOSITORY / "streaming" / "contracts", "raw.orders")])
    produce(settings, GeneratorConfig(events=100), manifest_path=settings.state_dir / "manifest.json")
    return settings


def test_what_was_produced_is_sampled(secured: Settings) -> None:
    assert len(sample_topic(secured, TOPIC, 1000, 10).messages) == 100


def test_offsets_and_times_of_messages_are_told(secured: Settings) -> None:
    with TopicOffsets(secured.kafka, TOPIC) as topic, KafkaBroker(secured.kafka, 10.0) as broker:
        end = topic.end(topic.partitions())
        assert sum(end.values()) == 100
        first = {partition: 0 for partition, offset in end.items() if offset}
        assert {partition: offset for partition, (offset, _) in broker.messages(TOPIC, first).items()} == first


@pytest.mark.parametrize(
    "mistake",
    [{"kafka_sasl_password": "guessed"}, {"kafka_security_protocol": "PLAINTEXT"}, {"kafka_ssl_ca": "{other}"}],
    ids=lambda mistake: next(iter(mistake)),
)
def test_who_lacks_something_gets_nothing_and_shows_no_password(
    secured: Settings, mistake: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pem"
    given = {name: value.format(other=other) for name, value in mistake.items()}
    if "kafka_ssl_ca" in given:
        # An authority that is none of this broker's.
        import certifi

        other.write_bytes(Path(certifi.where()).read_bytes())
    wrong = Settings.model_validate({**secured.model_dump(), **given})
    assert not reachable(wrong.kafka)
    monkeypatch.setattr("lakehouse.generator.producer._CONNECT_SECONDS", 3.0)
    with pytest.raises(ProduceError, match=r"cannot take events") as error:
        produce(wrong, GeneratorConfig(events=1), manifest_path=tmp_path / "manifest.json")
    assert "guessed" not in str(error.value)
    assert SASL["kafka_sasl_password"] not in str(error.value)
