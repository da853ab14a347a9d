"""The Flink half of the stack, as `lakehouse up` runs it: its contracts, its processes, its jobs."""

import json
from typing import Any

import psutil
import requests
import yaml
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from lakehouse.contracts import find_contract
from lakehouse.flink.status import JobState, JobStatus
from lakehouse.local.flink import rest_url
from lakehouse.local.flink_jobs import flink_jobs
from lakehouse.local.kafka import PARTITIONS
from lakehouse.local.logs import last_lines
from lakehouse.local.supervisor import Supervisor, log_file
from lakehouse.storage import Catalog, table_stats
from tests.integration.command_line import REPOSITORY, CommandLine
from tests.waiting import wait_for

PARTS = ("kafka", "postgres", "flink-jobmanager", "flink-taskmanager", "flink-jobs")
#: A lost TaskManager is noticed within 20 s, its successor has to start and to restore all jobs, and the machine may be
#: busy with another stack.
RECOVERY_SECONDS = 420


class FlinkStack:
    """A project of its own, with Kafka, Flink and what keeps the jobs running."""

    def __init__(self, command_line: CommandLine) -> None:
        self.command_line = command_line
        self.settings = command_line.settings
        self.catalog = Catalog.from_settings(self.settings)
        self._rest = requests.Session()
        self._rest.trust_env = False
        self._supervisor = Supervisor(self.settings)

    def up(self) -> None:
        """Starts it, or has it follow contracts that were changed."""
        self.command_line.succeed("up", "--detach", "--only", ",".join(PARTS))

    def declare(self, table: str, *, shipped: str = "orders", **changes: Any) -> None:
        """Writes a contract: the ``shipped`` one as ``table``, with ``changes``. ``topic`` is that of its source."""
        contract = yaml.safe_load((REPOSITORY / "streaming" / "contracts" / f"{shipped}.yaml").read_text())
        if "topic" in changes:
            contract["source"]["topic"] = changes.pop("topic")
        contract.update(changes, table=table)
        file = self.settings.contracts_dir / f"{table.replace('.', '_')}.yaml"
        file.write_text(yaml.safe_dump(contract, sort_keys=False))

    def kill(self, *parts: str) -> None:
        """SIGKILL to each; the supervisor starts them again."""
        states = self._supervisor.states()
        for process in [psutil.Process(states[part].pid) for part in parts]:
            process.kill()

    def job(self, table: str) -> JobStatus:
        return next(job for job in flink_jobs(self.settings) if job.table == table)

    def listed(self, table: str) -> dict[str, Any]:
        """The job as `lakehouse status --json` tells it."""
        return next(job for job in self.command_line.status()["jobs"] if job["table"] == table)

    def parallelism(self, table: str) -> int:
        """Of the source, as the JobManager has it; 0 while there is no job."""
        try:
            job = self.job(table)
            if job.job_id is None:
                return 0
            told = self._rest.get(f"{rest_url(self.settings)}/jobs/{job.job_id}", timeout=30).json()
            return int(told["vertices"][0]["parallelism"]) if "vertices" in told else 0
        except requests.ConnectionError:
            return 0

    def await_running(self, table: str, *, other_than: str | None = None) -> JobStatus:
        """The job once it runs, where ``other_than`` is given as another one than that."""
        running: list[JobStatus] = []

        def runs() -> bool:
            job = self.job(table)
            running[:] = [job]
            return job.state is JobState.RUNNING and job.job_id != other_than

        what = f"{table} to run{f', not as {other_than}' if other_than else ''}"
        wait_for(runs, what, RECOVERY_SECONDS, lambda: f"{running}\n{self.logs()}")
        return running[0]

    def held(self, table: str) -> int:
        """Rows of the table and of its quarantine."""
        names = (table, f"{table}_rejected")
        return sum(table_stats(self.catalog, name).rows for name in names if self.catalog.exists(name))

    def await_rows(self, table: str, count: int, seconds: float = RECOVERY_SECONDS) -> None:
        """Returns when the table and its quarantine have ``count`` rows, or more."""
        detail = lambda: f"it has {self.held(table)}\n{self.logs()}"  # noqa: E731
        wait_for(lambda: self.held(table) >= count, f"{count} rows in {table}", seconds, detail)

    def send(self, topic: str, *values: bytes | None, partition: int = 0) -> None:
        """Produces ``values``, and returns when the broker has them."""
        producer = Producer(self.settings.kafka.for_confluent())
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(60) == 0

    def messages(self, topic: str, isolation: str) -> list[str]:
        """Each message of ``topic`` that a reader with this `isolation.level` gets."""
        consumer = Consumer(
            {
                **self.settings.kafka.for_confluent(),
                "group.id": "tests",
                "enable.auto.commit": False,
                "isolation.level": isolation,
                "enable.partition.eof": True,
            }
        )
        found: list[str] = []
        ended: set[int | None] = set()
        try:
            consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
            while len(ended) < PARTITIONS:
                message = consumer.poll(30)
                assert message is not None, f"no end of {topic} within 30 s"
                if (error := message.error()) is None:
                    found.append((message.value() or b"").decode())
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended.add(message.partition())
        finally:
            consumer.close()
        return found

    def topic(self, table: str) -> str:
        return find_contract(self.settings.contracts_dir, table).source.topic

    def logs(self) -> str:
        """What to read when a test waited in vain."""
        shown = ("flink-jobs", "flink-jobmanager", "flink-taskmanager")
        return "\n".join(f"--- {name}\n" + "\n".join(last_lines(log_file(self.settings, name), 15)) for name in shown)


def order(
    number: int,
    *,
    amount: int = 5,
    at: str = "2026-01-01T00:00:00Z",
    status: str = "placed",
    customer: str = "c-1",
) -> bytes:
    """A valid event."""
    event = {"order_id": f"o-{number}", "customer_id": customer, "amount_cents": amount, "status": status}
    return json.dumps({**event, "event_time": at}).encode()
