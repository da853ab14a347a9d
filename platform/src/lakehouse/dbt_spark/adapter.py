"""The dbt adapter `lakehouse_spark`: dbt-spark's session method, on the session that this platform configures.

dbt-spark itself would take whatever session there is, without the jars, the catalogue and the log stores of the tables.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnContext
from typing import Any, cast

import duckdb
from dbt.adapters.base.meta import available
from dbt.adapters.contracts.connection import AdapterRequiredConfig, Connection, ConnectionState
from dbt.adapters.duckdb.impl import DuckDBAdapter
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.adapters.factory import get_adapter_by_type
from dbt.adapters.spark.connections import SparkConnectionManager, SparkConnectionMethod, SparkCredentials
from dbt.adapters.spark.impl import SparkAdapter
from dbt.adapters.spark.relation import SparkRelation
from dbt.adapters.spark.session import Connection as Handle
from dbt.adapters.spark.session import Cursor, SessionConnectionWrapper
from dbt_common.exceptions import DbtRuntimeError
from dbt_common.invocation import get_invocation_id
from deltalake.exceptions import DeltaError
from pyspark.sql import Row, SparkSession

from lakehouse.dbt_spark.literals import with_backslashes
from lakehouse.dbt_spark.operations import SparkOperations
from lakehouse.dbt_spark.session import dbt_session
from lakehouse.errors import LakehouseError
from lakehouse.settings import load_settings
from lakehouse_spark.errors import SPARK_ERRORS, message_of

_TYPE = "lakehouse_spark"
#: What tells the user what is wrong, without a traceback.
_ERRORS = (LakehouseError, DeltaError, duckdb.Error, *SPARK_ERRORS)


@dataclass
class Credentials(SparkCredentials):
    """Of dbt-spark's, with nothing to fill in: Spark is configured by the LAKEHOUSE_* settings."""

    host: str | None = "session"
    method: SparkConnectionMethod = SparkConnectionMethod.SESSION

    @property
    def type(self) -> str:
        return _TYPE


@dataclass(frozen=True, eq=False, repr=False)
class Relation(SparkRelation):
    """May name a database, as sources do that DuckDB attaches: the macro `source` refuses them, with the way out."""

    def __post_init__(self) -> None:
        pass


class _Cursor(Cursor):
    def __init__(self, spark: SparkSession) -> None:
        super().__init__()
        self._spark = spark

    def execute(self, sql: str, *parameters: Any) -> None:
        with _told():
            self._df = self._spark.sql(with_backslashes(sql % parameters if parameters else sql))

    # Spark computes when rows are asked for.

    def fetchall(self) -> list[Row] | None:
        with _told():
            return super().fetchall()

    def fetchone(self) -> Row | None:
        with _told():
            return super().fetchone()


@contextmanager
def _told() -> Iterator[None]:
    """Makes an error that tells the user what is wrong one of dbt's, which it shows without a traceback."""
    try:
        yield
    except _ERRORS as error:
        raise DbtRuntimeError(message_of(error)) from error


class _Handle(Handle):
    def __init__(self, spark: SparkSession) -> None:
        super().__init__()
        self._spark = spark

    def cursor(self) -> Cursor:
        return _Cursor(self._spark)


class ConnectionManager(SparkConnectionManager):
    """Connections are cursors of one Spark session. Opening one shows tables that came to be since the last."""

    TYPE = _TYPE

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        if connection.state != ConnectionState.OPEN:
            adapter = cast(Lakehouse_SparkAdapter, get_adapter_by_type(_TYPE))  # type: ignore[no-untyped-call]
            try:
                operations = adapter.operations
                operations.refresh(get_invocation_id())
            except _ERRORS as error:
                connection.state = ConnectionState.FAIL
                raise FailedToConnectError(message_of(error)) from error
            connection.handle = SessionConnectionWrapper(_Handle(operations.spark))
            connection.state = ConnectionState.OPEN
        return connection


class Lakehouse_SparkAdapter(SparkAdapter):  # noqa: N801  # dbt finds an adapter's version by this name
    """dbt-spark's adapter, and the way from Jinja to the platform."""

    Relation = Relation
    ConnectionManager = ConnectionManager

    def __init__(self, config: AdapterRequiredConfig, mp_context: SpawnContext) -> None:
        super().__init__(config, mp_context)
        self._starting = threading.Lock()
        self._operations: SparkOperations | None = None

    @property
    def operations(self) -> SparkOperations:
        """What the macros ask for. Spark starts with the first of dbt's threads that needs it, and not to parse."""
        with self._starting:
            if self._operations is None:
                settings = load_settings()
                self._operations = SparkOperations(settings, dbt_session(settings))
            return self._operations

    @classmethod
    def convert_agate_type(cls, agate_table: Any, col_idx: int) -> str | None:
        """The type of a seed's column: DuckDB's, which reads the file, so that either target stores the same."""
        return DuckDBAdapter.convert_agate_type(agate_table, col_idx)

    @available.parse_none
    def lakehouse(self, operation: str, arguments: dict[str, Any]) -> object:
        """The answer to ``operation``. An error of this platform reaches the user as dbt's own, without a traceback."""
        with _told():
            return self.operations.answer(operation, arguments)
