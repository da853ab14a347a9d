"""How the streaming queries do: as the Spark applications tell it, or as they last did before their processes ended."""

from dataclasses import replace

from lakehouse.local.supervisor import ProgramState
from lakehouse.settings import Settings
from lakehouse_spark.status import (
    ApplicationStatus,
    QueryState,
    QueryStatus,
    newest,
    read_applications,
    read_status,
    status_file,
)


def query_statuses(settings: Settings, part: ProgramState | None, *, crashed: bool) -> dict[str, QueryStatus]:
    """Every query by table. The supervisor's program ``part`` is the application that runs all of the stack's.

    ``crashed`` says whether its process ended by itself and was started again. Applications of single groups, which
    somebody else started, tell for themselves.
    """
    applications = read_applications(settings.run_dir)
    told = {file: application.as_of_now() for file, application in applications.items()}
    own = applications.get(status_file(settings))
    if own is not None and not _tells(own, part):
        if part is None or part.state == "STOPPED":
            state = QueryState.STOPPED
        elif part.alive:
            state = QueryState.RESTARTING if crashed else QueryState.STARTING
        else:
            state = QueryState.FAILED  # The supervisor has given up.
        queries = {table: replace(query, state=state).without_lag() for table, query in own.queries.items()}
        told[status_file(settings)] = replace(own, queries=queries)
    return newest(told.values())


def running_queries(settings: Settings, part: ProgramState) -> dict[str, QueryStatus] | None:
    """The queries of the stack's own application; None while the process of ``part`` has told nothing of them."""
    own = read_status(status_file(settings))
    return dict(own.as_of_now().queries) if _tells(own, part) else None


def _tells(application: ApplicationStatus, part: ProgramState | None) -> bool:
    """Whether what ``application`` tells is of the process that ``part`` runs, and not of one before it."""
    return part is not None and part.alive and application.pid == part.pid
