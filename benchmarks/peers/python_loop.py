"""What one writes by hand: confluent-kafka → pyarrow's JSON reader → delta-rs, the offsets in the Delta transaction.

    python benchmarks/peers/python_loop.py SERVERS TOPIC TABLE EVENTS --processes 2

Each process reads its share of the partitions. It stops at the first malformed message, and has no quarantine.
"""

import argparse
import io
import multiprocessing
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.json
from confluent_kafka import Consumer, TopicPartition
from deltalake import CommitProperties, Transaction, write_deltalake

BATCH = 500_000
MOMENT = pa.timestamp("us", tz="UTC")
FIELDS = pa.schema(
    [
        ("order_id", pa.string()),
        ("customer_id", pa.string()),
        ("amount_cents", pa.int64()),
        ("status", pa.string()),
        ("event_time", MOMENT),
        ("currency", pa.string()),
        ("created_at", MOMENT),
    ]
)
OPTIONS = pyarrow.json.ParseOptions(explicit_schema=FIELDS, unexpected_field_behavior="ignore")


def rows(messages: list[object], topic: str) -> pa.Table:
    """The messages as rows with their coordinates; missing fields get their defaults."""
    text = b"\n".join(message.value() for message in messages)
    table = pyarrow.json.read_json(io.BytesIO(text), parse_options=OPTIONS)
    created = compute.coalesce(table["created_at"], table["event_time"])
    table = table.set_column(table.schema.get_field_index("created_at"), "created_at", created)
    currency = compute.fill_null(table["currency"], "USD")
    table = table.set_column(table.schema.get_field_index("currency"), "currency", currency)
    count = len(messages)
    coordinates = {
        "kafka_topic": pa.repeat(topic, count),
        "kafka_partition": pa.array([message.partition() for message in messages], pa.int32()),
        "kafka_offset": pa.array([message.offset() for message in messages], pa.int64()),
        "kafka_timestamp": pa.array([message.timestamp()[1] * 1000 for message in messages], pa.int64()).cast(MOMENT),
        "ingested_at": pa.repeat(pa.scalar(datetime.now(UTC), MOMENT), count),
    }
    for name, column in coordinates.items():
        table = table.append_column(name, column)
    return table


def drain(servers: str, topic: str, table: str, partitions: list[int], events: int) -> None:
    """Reads ``events`` messages of ``partitions`` and commits them in batches."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "loop", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    left = events
    while left:
        messages: list[object] = []
        while len(messages) < min(BATCH, left):
            messages += consumer.consume(min(10_000, left - len(messages)), timeout=1.0)
        last = max(message.offset() for message in messages)
        progress = CommitProperties(app_transactions=[Transaction(f"loop-{partitions[0]}", last)])
        write_deltalake(table, rows(messages, topic), mode="append", commit_properties=progress)
        left -= len(messages)
    consumer.close()


def main() -> None:
    """Shares the partitions out, and waits for all processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers")
    parser.add_argument("topic")
    parser.add_argument("table")
    parser.add_argument("events", type=int)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    consumer = Consumer({"bootstrap.servers": arguments.servers, "group.id": "loop"})
    found = sorted(consumer.list_topics(arguments.topic, timeout=10).topics[arguments.topic].partitions)
    ends = {p: consumer.get_watermark_offsets(TopicPartition(arguments.topic, p), timeout=10)[1] for p in found}
    consumer.close()
    shares = [found[start :: arguments.processes] for start in range(arguments.processes)]
    workers = [
        multiprocessing.Process(
            target=drain,
            args=(arguments.servers, arguments.topic, arguments.table, share, sum(ends[p] for p in share)),
        )
        for share in shares
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        if worker.exitcode:
            raise SystemExit(worker.exitcode)


if __name__ == "__main__":
    main()
