"""The operations of a dbt process whose models Spark computes: DuckDB's, but for where rows and changes come from."""

# ruff: noqa: S608  # SQL is what this module makes, of names that come from dbt and the catalog

from duckdb import DuckDBPyConnection
from pyspark.sql import SparkSession
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from lakehouse.dbt_delta.changes import Asked
from lakehouse.dbt_delta.columns import DELETED, describe
from lakehouse.dbt_delta.errors import ModelConfigError, SourceError
from lakehouse.dbt_delta.operations import Arguments, Operations, table_name
from lakehouse.dbt_delta.spec import ModelSpec
from lakehouse.dbt_delta.whole import Writer
from lakehouse.dbt_spark.changes import changes_view
from lakehouse.dbt_spark.literals import with_backslashes
from lakehouse.dbt_spark.staging import Staging
from lakehouse.dbt_spark.tables import SparkTables
from lakehouse.dbt_spark.whole import SparkWriter
from lakehouse.settings import Settings
from lakehouse.storage.changes import CHANGE_TYPE, HistoryGoneError, change_feed
from lakehouse.storage.sql import literal, quoted, quoted_list

Columns = list[dict[str, str]]


class SparkOperations(Operations):
    """Spark reads tables and computes models; how their rows are checked and committed is the same as ever."""

    def __init__(self, settings: Settings, spark: SparkSession) -> None:
        self.spark = spark
        self._tables = SparkTables(settings, spark)
        self._staging = Staging(self._tables.catalog)
        super().__init__(self._tables, self._tables.cursor)
        self._operations |= {
            "compute": self._compute,
            "columns": self._columns,
            "discard": lambda arguments: self._staging.clear(table_name(arguments["node"])),
            "read_seed": self._read_seed,
        }

    def refresh(self, invocation: str) -> None:
        """Shows the newest versions of the tables, unless ``invocation`` is a run that has pinned them."""
        self._tables.refresh(invocation)

    def _compute(self, arguments: Arguments) -> str:
        spec = ModelSpec.from_node(arguments["node"])
        if spec.incremental and spec.strategy == "microbatch":
            raise ModelConfigError(
                f"{spec.name}: the target spark has no strategy 'microbatch'. Choose another, or build the model with "
                f"DuckDB: dbt build --target local --select {spec.name.partition('.')[2]}"
            )
        self._tables.begin(spec.name)
        return self._staging.write(spec.name, self.spark.sql(with_backslashes(arguments["sql"])))

    def _columns(self, arguments: Arguments) -> dict[str, Columns]:
        """The columns that were computed and those of the model's contract, each in the types of DuckDB."""
        declared = ", ".join(
            f"CAST(NULL AS {column['data_type']}) AS {quoted(name)}"
            for name, column in arguments["node"]["columns"].items()
        )
        connection = self._connection()
        try:
            if "rows" in arguments:
                computed = describe(connection, arguments["rows"])
            else:
                computed = types_in_duckdb(connection, self.spark.sql(with_backslashes(arguments["sql"])).schema)
            return {
                "computed": _formatted({name: kind for name, kind in computed.items() if name != DELETED}),
                "declared": _formatted(describe(connection, f"(SELECT {declared})")),
            }
        except Exception:
            self._staging.clear(table_name(arguments["node"]))
            raise

    def _read_seed(self, arguments: Arguments) -> str:
        node = arguments["node"]
        columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in arguments["columns"].items())
        rows = (
            f"SELECT * FROM read_csv({literal(node['root_path'] + '/' + node['original_file_path'])}, header = true, "
            f"delim = {literal(arguments['delimiter'])}, columns = {{{columns}}})"
        )
        name = table_name(node)
        self._tables.begin(name)
        table = self._connection().execute(rows).to_arrow_table()
        # A time without a zone is one in Delta, too, as DuckDB's target stores it.
        schema = from_arrow_schema(table.schema, prefer_timestamp_ntz=True)
        return self._staging.write(name, self.spark.createDataFrame(table, schema=schema))

    def _build(self, arguments: Arguments) -> dict[str, object]:
        try:
            return super()._build(arguments)
        finally:
            self._staging.clear(table_name(arguments["node"]))

    def _writer(self, connection: DuckDBPyConnection) -> Writer:
        return SparkWriter(self.spark, self._tables.catalog, self._staging)

    def _changed_sql(self, asked: Asked, since: int) -> str:
        source, version = asked.consumption.source, asked.consumption.version
        try:
            feed = change_feed(self._connection(), self._tables.catalog, source, since, version)
            if not feed.files:
                return f"({asked.nothing_sql})"
            changed = changes_view(self.spark, asked, feed)
        except HistoryGoneError as error:
            raise asked.history_gone(error) from error
        return f"(SELECT {quoted_list(asked.columns)}, {CHANGE_TYPE} FROM {quoted(changed)})"

    def _attach_postgres(self) -> None:
        raise SourceError(
            "the target spark does not read Postgres, which DuckDB does. Leave out what reads it: "
            "dbt build --target spark --exclude source:postgres+\nBuild that with: "
            "dbt build --target local --select source:postgres+"
        )


def types_in_duckdb(connection: DuckDBPyConnection, schema: StructType) -> dict[str, str]:
    """The columns of Spark's ``schema`` in the types that DuckDB reads them as."""
    arrow = to_arrow_schema(schema, timezone="UTC")
    relation = connection.from_arrow(arrow.empty_table())
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def _formatted(columns: dict[str, str]) -> Columns:
    """As dbt's contract errors show columns."""
    return [{"name": name, "data_type": kind, "formatted": f"{name.lower()} {kind}"} for name, kind in columns.items()]
