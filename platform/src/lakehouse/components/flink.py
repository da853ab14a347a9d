"""How the Flink jobs do, as checks ask for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from lakehouse.contracts.model import Contract
from lakehouse.flink.notes import read_notes
from lakehouse.flink.rest import FlinkError
from lakehouse.flink.spec import contract_file, flink_contracts
from lakehouse.flink.status import JobState, JobStatus, job_statuses
from lakehouse.local.flink import job_manager
from lakehouse.settings import Settings


def known_jobs(settings: Settings, contracts: Sequence[Contract]) -> Callable[[], Mapping[str, JobStatus]]:
    """Asks for the jobs of ``contracts`` that were ever submitted, by table; and remembers since when one is starting.

    The JobManager cannot tell that: one that was killed has forgotten its jobs, and without the keeper gets none.
    """
    manager, served = job_manager(settings), flink_contracts(list(contracts))
    starting: dict[str, datetime] = {}

    def ask() -> Mapping[str, JobStatus]:
        submitted = [contract.table for contract in served if contract_file(settings, contract.table).is_file()]
        try:
            jobs = job_statuses(settings, manager, submitted, read_notes(settings))
        except FlinkError:
            # A job that ends between two questions: of it, and for this once of the others, nothing is known.
            return {}
        for table in starting.keys() - {job.table for job in jobs if job.state is JobState.STARTING}:
            del starting[table]
        return {
            job.table: replace(job, starting_since=starting.setdefault(job.table, datetime.now(UTC)))
            if job.state is JobState.STARTING
            else job
            for job in jobs
        }

    return ask
