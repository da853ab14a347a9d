package io.lakehouse.flink.delta;

import io.lakehouse.flink.delta.internal.parquet.StatisticsColumns;
import io.lakehouse.flink.delta.internal.parquet.WriterSettings;
import io.lakehouse.flink.delta.internal.schema.DeltaSchema;
import io.lakehouse.flink.delta.internal.table.PartitionLiterals;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.apache.flink.annotation.PublicEvolving;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.types.logical.RowType;

/**
 * Builds a {@link DeltaSink}. Only {@link #tablePath} is required; {@link #uid} is advised for every job that runs on.
 *
 * @param <T> the record
 */
@PublicEvolving
public final class DeltaSinkBuilder<T> {

    private static final Set<String> CODECS = Set.of("zstd", "snappy", "gzip", "uncompressed");

    /** Properties that delta-rs, DuckDB or Spark fail on, or worse, misread. */
    private static final Map<String, Set<String>> UNREADABLE = Map.of(
            "delta.enableDeletionVectors", Set.of("true"),
            "delta.columnMapping.mode", Set.of("name", "id"),
            "delta.checkpointPolicy", Set.of("v2"),
            "delta.enableTypeWidening", Set.of("true"));

    private final RowType rowType;
    private final Function<List<String>, RecordEncoder<T>> encoder;
    private String path;
    private String uid;
    private List<String> partitionColumns = List.of();
    private final Map<String, String> properties = new HashMap<>();
    private final Map<String, String> hadoopOptions = new HashMap<>();
    private SchemaEvolution schemaEvolution = SchemaEvolution.NO;
    private int maxCommitRetries = DeltaOptions.COMMIT_MAX_RETRIES.defaultValue();
    private long rollAtBytes = DeltaOptions.FILE_ROLLING_SIZE.defaultValue();
    private long rollAtRows = -1;
    private int maxOpenFiles = DeltaOptions.WRITER_MAX_OPEN_FILES.defaultValue();
    private long memory = DeltaOptions.WRITER_MEMORY.defaultValue().getBytes();
    private String compression = DeltaOptions.COMPRESSION.defaultValue();
    private Set<String> plainColumns = Set.of();

    DeltaSinkBuilder(RowType rowType, Function<List<String>, RecordEncoder<T>> encoder) {
        this.rowType = rowType;
        this.encoder = encoder;
    }

    /** Where the table is: a path or a location with a scheme, such as {@code s3://bucket/schema/table}. */
    public DeltaSinkBuilder<T> tablePath(String path) {
        this.path = path;
        return this;
    }

    /**
     * The sink's identity in the table, which must stay the same for as long as the job goes on from its own state, and
     * must be of one sink only. Without it the sink is known by the id of the job that started without state.
     */
    public DeltaSinkBuilder<T> uid(String uid) {
        this.uid = uid;
        return this;
    }

    public DeltaSinkBuilder<T> partitionBy(List<String> columns) {
        this.partitionColumns = List.copyOf(columns);
        return this;
    }

    /** A Delta table property, for a table that the sink creates. */
    public DeltaSinkBuilder<T> tableProperty(String key, String value) {
        this.properties.put(key, value);
        return this;
    }

    /** Hadoop configuration on top of what is on the class path, {@code fs.s3a.endpoint} for example. */
    public DeltaSinkBuilder<T> hadoopOption(String key, String value) {
        this.hadoopOptions.put(key, value);
        return this;
    }

    public DeltaSinkBuilder<T> schemaEvolution(SchemaEvolution schemaEvolution) {
        this.schemaEvolution = schemaEvolution;
        return this;
    }

    /** Attempts after the first, when other writers commit at the same time. */
    public DeltaSinkBuilder<T> maxCommitRetries(int retries) {
        this.maxCommitRetries = retries;
        return this;
    }

    /** Closes a data file at about that size; negative for no limit. */
    public DeltaSinkBuilder<T> rollAtBytes(long bytes) {
        this.rollAtBytes = bytes;
        return this;
    }

    /** Closes a data file after so many rows; negative for no limit. */
    public DeltaSinkBuilder<T> rollAtRows(long rows) {
        this.rollAtRows = rows;
        return this;
    }

    /** Files open at a time in one subtask, which matters for tables with many partitions. */
    public DeltaSinkBuilder<T> maxOpenFiles(int files) {
        this.maxOpenFiles = files;
        return this;
    }

    /** Heap that the open files of one subtask may fill between them. */
    public DeltaSinkBuilder<T> memory(MemorySize memory) {
        this.memory = memory.getBytes();
        return this;
    }

    /** {@code zstd} (the default), {@code snappy}, {@code gzip} or {@code uncompressed}. */
    public DeltaSinkBuilder<T> compression(String codec) {
        this.compression = codec;
        return this;
    }

    /** Columns of mostly different values, which are cheaper to write without a dictionary. */
    public DeltaSinkBuilder<T> plainColumns(Set<String> columns) {
        this.plainColumns = Set.copyOf(columns);
        return this;
    }

    /** @throws ValidationException naming what is wrong */
    public DeltaSink<T> build() {
        require(path != null && !path.isBlank(), "tablePath is missing: say where the Delta table is");
        require(uid == null || !uid.isBlank(), "uid is blank: leave it out or give the sink a name of its own");
        require(maxOpenFiles > 0, "maxOpenFiles is %d, but has to be 1 or more", maxOpenFiles);
        require(maxCommitRetries >= 0, "maxCommitRetries is %d, but has to be 0 or more", maxCommitRetries);
        require(memory > 0, "memory is %d bytes, but has to be more", memory);
        require(rollAtBytes != 0 && rollAtRows != 0, "A file cannot be rolled at 0; negative means no limit");
        require(CODECS.contains(compression), "compression is '%s', but has to be one of %s", compression, CODECS);
        plainColumns.forEach(column -> require(
                rowType.getFieldIndex(column) >= 0,
                "plainColumns names '%s'; the columns are %s",
                column,
                rowType.getFieldNames()));
        properties.forEach((key, value) -> require(
                !UNREADABLE.getOrDefault(key, Set.of()).contains(value.toLowerCase(Locale.ROOT)),
                "%s = '%s' makes a table that not every reader understands; leave it out",
                key,
                value));
        checkStatisticsColumns();
        new PartitionLiterals(DeltaSchema.of(rowType), partitionColumns);
        require(
                partitionColumns.size() < rowType.getFieldCount(),
                "All columns are partition columns: a data file needs at least one");
        TableSettings table = new TableSettings(
                path,
                rowType,
                partitionColumns,
                Map.copyOf(properties),
                Map.copyOf(hadoopOptions),
                schemaEvolution,
                maxCommitRetries);
        WriterSettings files =
                new WriterSettings(rollAtBytes, rollAtRows, maxOpenFiles, memory, compression, plainColumns);
        return new DeltaSink<>(encoder.apply(partitionColumns), table, files, uid);
    }

    private void checkStatisticsColumns() {
        String limit = properties.getOrDefault(StatisticsColumns.PROPERTY, "-1");
        require(limit.matches("-?\\d{1,9}"), "%s is '%s', but has to be a number", StatisticsColumns.PROPERTY, limit);
    }

    private static void require(boolean condition, String message, Object... arguments) {
        if (!condition) {
            throw new ValidationException(message.formatted(arguments));
        }
    }
}
