"""How often Spark starts a micro-batch, by the freshness that its table promises.

The runner that starts them, the cost of it and the red flag against short triggers all go by this one answer.
"""

from datetime import timedelta

#: A batch starts this many times within the freshness a reader was promised, which leaves time to write it.
BATCHES_PER_FRESHNESS = 6
#: A micro-batch hardly ends sooner.
SHORTEST_TRIGGER = timedelta(seconds=1)


def trigger_for(freshness: timedelta, asked: timedelta | None = None) -> timedelta:
    """How long events that fill no batch wait for one: as ``asked``, or so that ``freshness`` is kept with room."""
    return max(asked or freshness / BATCHES_PER_FRESHNESS, SHORTEST_TRIGGER)
