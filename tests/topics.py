"""New topics of Kafka, which tests may use at once."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.waiting import wait_for

_NOT_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART)


def create_topic(servers: str, name: str, partitions: int) -> None:
    """Creates it, and returns when all of it can be read."""
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
    consumer = Consumer({"bootstrap.servers": servers, "group.id": name})

    def led() -> bool:
        """The broker answers that a topic exists before it has begun to lead its partitions."""
        try:
            for partition in range(partitions):
                consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=20)
        except KafkaException as error:
            if error.args[0].code() not in _NOT_YET:
                raise
            return False
        return True

    try:
        wait_for(led, f"a leader of each partition of {name}", 120)
    finally:
        consumer.close()
