"""Keeps the JobManager running what the contracts ask for: `python -m lakehouse.flink.keeper`, under its supervisor.

A JobManager that was killed comes back empty. The keeper then submits each job anew from its newest complete checkpoint
or savepoint, and so it does with a job that failed for good. A job whose contract or code has changed is stopped with a
savepoint and goes on from it as what it should be now, unless its state means something else, see
`lakehouse.flink.generation`.
"""

import argparse
import hashlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.contracts import Contract, load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.flink.control import end, stopped_at
from lakehouse.flink.generation import Generation, checked_generation, record_state
from lakehouse.flink.notes import Note, write_notes
from lakehouse.flink.rest import FlinkError, FlinkUnreachableError, Job, JobManager, reason
from lakehouse.flink.restore import newest_complete, prune
from lakehouse.flink.spec import (
    FINGERPRINT,
    JobSpec,
    checkpoints,
    contract_file,
    contract_json,
    flink_contracts,
    job_spec,
    starting_arguments,
)
from lakehouse.logging_format import log_to_stderr
from lakehouse.settings import Settings, load_settings
from lakehouse.storage import Catalog, create_tables

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_SECONDS = 1.0
#: What was mended is noticed within this.
_LONGEST_PAUSE_SECONDS = 60.0
#: With so many of its own a job needs nothing any more of what the job before it left.
_CHECKPOINTS_KEPT = 3
#: The JobManager tells why a job has failed some seconds after it tells that: its REST API keeps answers for 3 s.
_REASON_WITHIN_SECONDS = 10.0


@dataclass
class _Attempts:
    """How often in a row it failed, and when (in seconds of the loop's clock) to try again.

    ``counted`` is the last job whose failure is in that number, ``pruned`` the last one that was cleaned up after.
    """

    failed: int = 0
    not_before: float = 0.0
    counted: str = ""
    pruned: str = ""


class Keeper:
    """Compares what ``contracts`` ask for with what runs, and mends the difference."""

    def __init__(
        self, settings: Settings, manager: JobManager, contracts: Sequence[Contract], jar: Path, code: str
    ) -> None:
        self._settings = settings
        self._manager = manager
        self._catalog = Catalog.from_settings(settings)
        self._contracts = contracts
        self._jar = jar
        self._code = code
        self._attempts = {contract.table: _Attempts() for contract in contracts}
        self._notes: dict[str, Note] = {}

    def look(self, clock: float) -> None:
        """One round. ``clock`` is in seconds and only goes forward. A mistake with one job keeps no other waiting."""
        jobs = self._manager.jobs()
        for contract in self._contracts:
            attempts = self._attempts[contract.table]
            if clock < attempts.not_before:
                continue
            try:
                self._keep(contract, [job for job in jobs if job.name == contract.table])
            except FlinkUnreachableError:
                raise
            except Exception as error:
                # Whatever it is, a full disk or a store that does not answer: the other jobs are kept, and it is told.
                attempts.failed += 1
                pause = min(2.0**attempts.failed, _LONGEST_PAUSE_SECONDS)
                attempts.not_before = clock + pause
                self._note(contract.table, Note(str(error) or repr(error), datetime.now(UTC)))
                expected = isinstance(error, LakehouseError)
                _LOG.error("%s: %s Next attempt in %.0f s.", contract.table, error, pause, exc_info=not expected)

    def _keep(self, contract: Contract, known: Sequence[Job]) -> None:
        if stopped_at(self._settings, contract.table) is not None:
            return
        attempts, last = self._attempts[contract.table], known[-1] if known else None
        generation = checked_generation(self._settings, contract)
        spec = job_spec(self._settings, contract, self._code)
        if last is None or last.ended:
            if last and last.state == "FAILED" and last.id != attempts.counted:
                self._count_failure(last, attempts)
            else:
                self._submit(spec, generation, len(known))
        elif last.state == "INITIALIZING":
            return  # The JobManager tells no details of it yet.
        elif self._manager.parameters(last.id).get(FINGERPRINT) != spec.fingerprint:
            _LOG.info("%s: contract, code or settings have changed, ending job %s", spec.table, last.id)
            _LOG.info(
                "%s: ended with %s", spec.table, end(self._settings, self._manager, last) or "its last checkpoint"
            )
        elif last.all_tasks_run:
            if attempts.failed:
                self._attempts[spec.table] = attempts = _Attempts()
                self._note(spec.table, None)
            if attempts.pruned != last.id and self._manager.completed_checkpoints(last.id) >= _CHECKPOINTS_KEPT:
                prune(checkpoints(self._settings, spec.table), self._catalog.storage_options, last.id)
                attempts.pruned = last.id

    def _count_failure(self, job: Job, attempts: _Attempts) -> None:
        """Raises FlinkError, once it is known why ``job`` has failed for good: a failed job is a failed attempt."""
        cause = self._cause(job)
        if cause is None and time.time() - job.ended_ms / 1000 < _REASON_WITHIN_SECONDS:
            return
        attempts.counted = job.id
        raise FlinkError(f"job {job.id} has failed: {cause or 'no reason is known'}.")

    def _submit(self, spec: JobSpec, generation: Generation, earlier: int) -> None:
        create_tables(self._catalog, spec.contract)
        file = contract_file(self._settings, spec.table)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(contract_json(spec.contract), encoding="utf-8")
        restore = newest_complete(checkpoints(self._settings, spec.table), self._catalog.storage_options)
        start = () if restore else starting_arguments(self._catalog, spec.contract)
        self._manager.run(
            self._manager.upload(self._jar, f"flink-jobs-{self._code[:16]}.jar"),
            spec.entry_class,
            (*spec.arguments, *start),
            job_id=_job_id(spec, restore, earlier),
            configuration=spec.configuration,
            restore=restore,
        )
        record_state(self._settings, spec.contract, generation)
        _LOG.info("%s: submitted, %s", spec.table, f"from {restore}" if restore else "without state")

    def _cause(self, job: Job) -> str | None:
        failures = self._manager.failures(job.id)
        return reason(failures[0]["stacktrace"]) if failures else None

    def _note(self, table: str, note: Note | None) -> None:
        self._notes.pop(table, None)
        if note is not None:
            self._notes[table] = note
        write_notes(self._settings, self._notes)


def _job_id(spec: JobSpec, restore: str | None, earlier: int) -> str:
    """The same for the same submission: one that was repeated, since its answer was lost, is refused as a duplicate."""
    told = f"{spec.table}\0{spec.fingerprint}\0{restore}\0{earlier}"
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def run(keeper: Keeper, stop: threading.Event) -> None:
    """Looks again and again until ``stop`` is set."""
    reachable = True
    while not stop.is_set():
        try:
            keeper.look(time.monotonic())
            reachable = True
        except FlinkUnreachableError as error:
            if reachable:
                _LOG.warning("%s. Waiting for it.", error)
            reachable = False
        stop.wait(_LOOK_EVERY_SECONDS)


def main(arguments: Sequence[str]) -> int:
    """Runs until a signal; the exit code is 1 where the contracts cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m lakehouse.flink.keeper")
    parser.add_argument("--url", required=True, help="the JobManager's REST API")
    parser.add_argument("--jar", required=True, type=Path, help="the jar of the jobs")
    parser.add_argument("--code", required=True, help="changes with that jar")
    options = parser.parse_args(arguments)
    log_to_stderr()
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    try:
        settings = load_settings()
        contracts = flink_contracts(load_contracts(settings.contracts_dir))
    except LakehouseError as error:
        _LOG.error("%s", error)
        return 1
    run(Keeper(settings, JobManager(options.url), contracts, options.jar, options.code), stop)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
