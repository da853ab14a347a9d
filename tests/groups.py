"""Consumer groups, without consumers."""

from collections.abc import Mapping

from kafka import KafkaAdminClient, TopicPartition
from kafka.errors import CoordinatorNotAvailableError
from kafka.structs import OffsetAndMetadata

from tests.waiting import wait_for


def commit_offsets(servers: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Has ``group`` finished all below ``offsets``. The first group of a new broker waits for its coordinator."""
    wanted = {TopicPartition(topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}
    admin = KafkaAdminClient(bootstrap_servers=servers)

    def committed() -> bool:
        try:
            answers = admin.alter_group_offsets(group, wanted)
        except CoordinatorNotAvailableError:
            return False
        return not any(error.errno for error in answers.values())

    try:
        wait_for(committed, f"a coordinator of group {group}", 60)
    finally:
        admin.close()
