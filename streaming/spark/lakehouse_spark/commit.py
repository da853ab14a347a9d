"""How a commit of a micro-batch is marked, so that Delta skips it when it comes again.

The query's id lives in its checkpoint: it stays over restarts, and a new checkpoint is a new writer that starts at
batch 0.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

_CONFIGURATION = "spark.databricks.delta.write."


def commit_options(session: SparkSession, batch_id: int) -> dict[str, str]:
    """Options of a Delta write within ``foreachBatch``; ``session`` is the batch's own."""
    query_id = session.sparkContext.getLocalProperty("sql.streaming.queryId")
    return {"txnAppId": f"spark:{query_id}", "txnVersion": str(batch_id)}


@contextmanager
def committing(session: SparkSession, batch_id: int) -> Iterator[None]:
    """Marks a command that takes no options, as a merge. The session of a batch is its query's alone."""
    options = commit_options(session, batch_id)
    for name, value in options.items():
        session.conf.set(_CONFIGURATION + name, value)
    try:
        yield
    finally:
        for name in options:
            session.conf.unset(_CONFIGURATION + name)
