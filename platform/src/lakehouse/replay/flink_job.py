"""Computes a range of events again by the Flink job that fills the live table: the same code, with an end, beside it.

The job runs in the cluster of the live jobs, and not in the process that waits for it: who is killed meanwhile, and
asks again, finds it there. One that failed, or that its JobManager has forgotten, is begun anew, its side table empty.
"""

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from lakehouse.contracts.engine import Engine
from lakehouse.contracts.model import Contract
from lakehouse.flink.generation import Generation
from lakehouse.flink.rest import FlinkError, FlinkUnreachableError, Job, JobManager, reason
from lakehouse.flink.restore import as_uri
from lakehouse.flink.spec import contract_file, contract_json, job_spec, offsets_argument
from lakehouse.invocation import command
from lakehouse.local.build import JOBS_JAR, sources_fingerprint
from lakehouse.local.flink import job_manager
from lakehouse.observability.broker import Broker
from lakehouse.observability.messages import BrokerError
from lakehouse.observability.positions import group_of, positions
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.note import Note
from lakehouse.replay.sides import SCHEMA, drop_sides
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.create import create_tables

_LOG = logging.getLogger(__name__)
#: Nobody waits for rows that are a second old: commits are few.
_FRESHNESS = timedelta(minutes=1)
#: For a broker or a store that is away for a moment. A mistake of the job itself shows each time.
_RETRIES = {
    "restart-strategy.type": "fixed-delay",
    "restart-strategy.fixed-delay.attempts": "3",
    "restart-strategy.fixed-delay.delay": "5 s",
}
#: At some 100,000 events a second these are billions: what takes longer is stuck.
_LONGEST_SECONDS = 12 * 3600.0
_LOOK_EVERY_SECONDS = 0.5
BROKER_SECONDS = 30.0


def job_ends(contract: Contract, broker: Broker) -> dict[int, int]:
    """Where a Flink job that replays ``contract`` ends, by partition: at the end of the topic as it is now, for the
    last event of any window may have come in last. Empty where no Flink job computes the table.

    Raises BrokerError, and ReplayError where the live job has read further than that: those were other events.
    """
    if contract.transform is None or contract.resolved_engine is not Engine.FLINK:
        return {}
    topic = contract.source.topic
    [(_, position)] = positions([contract], broker)
    ends = {partition: end for partition, (_, end) in position.ranges.items()}
    for partition, offset in sorted(position.committed.items()):
        if offset > ends.get(partition, 0):
            raise ReplayError(
                f"{contract.table}: {topic}[{partition}] ends at offset {ends.get(partition, 0)}, and the table's job "
                f"has read up to {offset}: the topic was deleted and created again. What the table has cannot be read "
                "again, and a swap would delete it."
            )
    return ends


@dataclass(frozen=True)
class FlinkReplay:
    """The computation of ``note``, a replay of the table of ``contract``."""

    settings: Settings
    catalog: Catalog
    contract: Contract
    note: Note

    def compute(self) -> None:
        """Returns when the side table is whole. Raises ReplayError where the job fails, or cannot run at all."""
        try:
            known = [job for job in self._manager.jobs() if job.name == self._side]
            begun = known[-1].id if known and known[-1].state not in ("FAILED", "CANCELED") else self._submit()
            self._await_end(begun)
            self._forget_group()
        except FlinkUnreachableError as error:
            raise self._failed(f"{error}\nStart it: {command('up')}") from error
        except FlinkError as error:
            raise self._failed(str(error)) from error

    def _submit(self) -> str:
        """The id of the job."""
        drop_sides(self.settings, self.catalog, self.note)
        free, needed = self._manager.free_slots(), self.contract.parallelism
        if free < needed:
            raise FlinkError(
                f"{needed} free task slots of Flink are needed, and {free} are there: no TaskManager runs "
                f"({command('status')}), or it has too few: raise LAKEHOUSE_FLINK_TASK_SLOTS"
            )
        beside = self._beside
        create_tables(self.catalog, beside)
        code = sources_fingerprint(self.settings, "flink")
        spec = job_spec(self.settings, beside, code, generation=Generation())
        file = contract_file(self.settings, self._side)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(contract_json(beside), encoding="utf-8")
        job_id = uuid.uuid4().hex
        self._manager.run(
            self._manager.upload(self.settings.jars_dir / "flink" / JOBS_JAR, f"flink-jobs-{code[:16]}.jar"),
            spec.entry_class,
            (*spec.arguments, *self._range()),
            job_id=job_id,
            # Without a fingerprint: it is no table's job, and no plan asks for its end.
            configuration={
                "execution.checkpointing.dir": as_uri(f"{self.settings.checkpoint_root}/{SCHEMA}/{self.note.id}"),
                **_RETRIES,
            },
            restore=None,
        )
        return job_id

    def _range(self) -> tuple[str, ...]:
        also_to = self.contract.also_to
        transform = self.contract.transform
        return (
            *("--starting-offsets", offsets_argument(self.note.start)),
            *("--ending-offsets", offsets_argument(self.note.end)),
            # A script names the topic in a statement that is left out, but read all the same.
            *(("--set.also_to_topic", also_to.topic) if transform and transform.sql and also_to else ()),
        )

    def _await_end(self, job_id: str) -> None:
        give_up = time.monotonic() + _LONGEST_SECONDS
        while (job := self._job(job_id)) is None or job.state != "FINISHED":
            if job is None:
                raise FlinkError("the JobManager has been restarted, and knows of no such job any more.")
            if job.ended:
                failures = self._manager.failures(job.id)
                told = f": {reason(failures[0]['stacktrace'])}" if failures else ""
                raise FlinkError(f"Flink's job {job.id} is {job.state.lower()}{told}")
            if time.monotonic() > give_up:
                raise FlinkError(
                    f"waited {_LONGEST_SECONDS / 3600:.0f} h for Flink's job {job.id} to finish; it is "
                    f"{job.state.lower()}"
                )
            time.sleep(_LOOK_EVERY_SECONDS)

    def _job(self, job_id: str) -> Job | None:
        return next((job for job in self._manager.jobs() if job.id == job_id), None)

    def _forget_group(self) -> None:
        """A group that nobody reads with any more would lag, and be told of. The replay is whole without that."""
        try:
            with Broker(self.settings.kafka, BROKER_SECONDS) as broker:
                broker.forget_group(group_of(self._beside))
        except BrokerError as error:
            _LOG.warning("%s. Kafka forgets it once its offsets expire.", error)

    def _failed(self, why: str) -> ReplayError:
        return ReplayError(
            f"replay {self.note.id} of {self.note.table} could not be computed: {why}\n"
            f"The live table is as it was. Go on with it: {command(f'replay resume {self.note.id}')}; or give it up: "
            f"{command(f'replay discard {self.note.id}')}"
        )

    @property
    def _side(self) -> str:
        return self.note.sides[self.contract.table]

    @property
    def _beside(self) -> Contract:
        """The contract of the side table. What is late is in the live table's own, and nothing goes to a topic."""
        changes = {"table": self._side, "late": None, "also_to": None, "freshness": _FRESHNESS}
        return self.contract.model_copy(update=changes)

    @cached_property
    def _manager(self) -> JobManager:
        return job_manager(self.settings)
