"""Since when a topic holds every event: what is computed of it anew can be whole from then on."""

from datetime import UTC, datetime

from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.checkpoint import Offsets


def complete_from(topic: TopicOffsets, start: Offsets, wanted: datetime | None) -> datetime | None:
    """Since when ``topic`` holds all that ever happened, from the offsets ``start`` on; None: it lost no event.

    An event happens before the broker takes it, so what happened after the first event that each partition holds is
    held too. A partition that retention has emptied, and that has got an event since, makes that as good as now. Where
    it is later than ``wanted``, and time alone deletes, the age tells: what is gone was older than the retention, as
    long as nobody has lowered that for a while, or deleted events by hand.
    """
    expired = {partition: offset for partition, offset in start.items() if offset > 0}
    if not expired:
        return None
    now = datetime.now(UTC)
    first_held = max(time or now for time in topic.first_times(expired).values())
    if wanted is not None and first_held <= wanted:
        return first_held
    retention = topic.retention()
    return first_held if retention is None else min(first_held, now - retention)
