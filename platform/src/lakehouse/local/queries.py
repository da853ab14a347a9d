"""How the streaming queries do: as the Spark application tells it, or as it last did before its process ended."""

from dataclasses import replace

from lakehouse.local.readiness import spark_status
from lakehouse.local.supervisor import ProgramState
from lakehouse.settings import Settings
from lakehouse_spark.status import ApplicationStatus, QueryState, read_status, status_file


def query_statuses(settings: Settings, part: ProgramState | None, *, crashed: bool) -> ApplicationStatus:
    """The queries of the Spark application, which is the supervisor's program ``part``.

    ``crashed`` says whether its process ended by itself and was started again.
    """
    try:
        return spark_status(settings)
    except OSError:
        last = read_status(status_file(settings))
    if part is None or part.state == "STOPPED":
        state = QueryState.STOPPED
    elif part.alive:
        state = QueryState.RESTARTING if crashed else QueryState.STARTING
    else:
        state = QueryState.FAILED  # The supervisor has given up.
    return replace(last, queries={table: replace(query, state=state) for table, query in last.queries.items()})
