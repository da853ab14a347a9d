"""What a query does when another commit came first that took away files it had read: it writes again, on what is there.

A table has one writer, so the other is maintenance, which leaves a partition alone once it is compacted. Delta stored
nothing of the commit that lost. One that it did store is marked with its batch (see `commit`), and skipped when it
comes again.
"""

import logging
import random
import time
from collections.abc import Callable

from lakehouse_spark.errors import CONFLICTS, message_of

_LOG = logging.getLogger(__name__)
_ATTEMPTS = 5
_LONGEST_PAUSE_SECONDS = 5.0


def write_despite_conflicts(table: str, write: Callable[[], None]) -> None:
    """Calls ``write`` until no other commit comes first. Raises the conflict of the last attempt.

    Each call has to look anew at the table, and at whether it may still write to that.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            write()
        except CONFLICTS as error:
            pause = random.uniform(0, min(2.0**attempt, _LONGEST_PAUSE_SECONDS))  # noqa: S311
            reason = message_of(error).partition("\n")[0]
            _LOG.info("%s: another commit came first, writing again in %.1f s: %s", table, pause, reason)
            time.sleep(pause)
        else:
            return
    write()
