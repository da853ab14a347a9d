"""Spark's side of a replay: the very code of the table's query, over a bounded range, into the side tables."""

from typing import TYPE_CHECKING

from lakehouse.contracts.model import Contract
from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.replay.errors import ReplayError
from lakehouse.replay.note import Note
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def compute_in_spark(
    settings: Settings, catalog: Catalog, contract: Contract, note: Note, spark: "SparkSession | None" = None
) -> None:
    """Fills the side tables of ``note``, or goes on with it; in ``spark``, or in a session that ends with it.

    Raises ReplayError, with the way on, for what Spark or the contract's function fails at.
    """
    from lakehouse_spark.replay import Recomputation
    from lakehouse_spark.session import WITHOUT_UI, spark_session
    from lakehouse_spark.status import first_line

    # Its own JVM beside the one that runs.
    session = spark or spark_session(settings, f"replay-{note.id}", WITHOUT_UI)
    try:
        side = note.sides[contract.table]
        computation = Recomputation(session, settings, catalog, contract, side, note.id)
        if contract.transform is not None:
            computation.rows(note.start, note.scope.in_spark)
        elif note.scope.quarantine_version is not None:
            computation.quarantined(note.scope.rejected_in_spark, note.scope.quarantine_version)
        else:
            computation.events(note.scope.offsets, note.chunk or contract.source.largest_batch)
    except LakehouseError:
        raise
    except Exception as error:
        # Of Spark, or of the contract's function. What is in the side tables so far is gone on with.
        raise ReplayError(
            f"replay {note.id} of {note.table} could not be computed: {type(error).__name__}: {first_line(error)}\n"
            f"The live table is as it was. Go on with it: {command(f'replay resume {note.id}')}; or begin anew."
        ) from error
    finally:
        if spark is None:
            session.stop()
