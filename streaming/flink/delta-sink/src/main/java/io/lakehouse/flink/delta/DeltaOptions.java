package io.lakehouse.flink.delta;

import java.util.List;
import org.apache.flink.annotation.PublicEvolving;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.configuration.MemorySize;

/**
 * Options of the SQL connector {@code delta}.
 *
 * <p>Those up to {@link #WRITE_MODE} have the names and meanings of Delta's own Flink connector; the rest is this sink's.
 */
@PublicEvolving
public final class DeltaOptions {

    /** What {@code write.mode} can be; only {@code append} is offered. */
    public enum WriteMode {
        APPEND,
        UPSERT
    }

    /** What {@code file_rolling.strategy} can be. */
    public enum RollingStrategy {
        SIZE,
        COUNT
    }

    public static final ConfigOption<String> TABLE_PATH =
            ConfigOptions.key("table_path").stringType().noDefaultValue().withDescription("Where the Delta table is.");

    public static final ConfigOption<String> PARTITIONS = ConfigOptions.key("partitions")
            .stringType()
            .noDefaultValue()
            .withDescription("Partition columns, with commas between them; the same as PARTITIONED BY.");

    public static final ConfigOption<String> UID = ConfigOptions.key("uid")
            .stringType()
            .noDefaultValue()
            .withDescription(
                    "The sink's identity, in Flink's state and in the table. Must never change while the job lives"
                            + " on, and be of one INSERT only.");

    public static final ConfigOption<String> NAME = ConfigOptions.key("name")
            .stringType()
            .noDefaultValue()
            .withDescription("Name of the sink's operators; by default the table's name.");

    public static final ConfigOption<SchemaEvolution> SCHEMA_EVOLUTION_MODE = ConfigOptions.key("schema_evolution.mode")
            .enumType(SchemaEvolution.class)
            .defaultValue(SchemaEvolution.NO)
            .withDescription("'newcolumn': columns that the table lacks are added to it, if they are nullable.");

    public static final ConfigOption<RollingStrategy> FILE_ROLLING_STRATEGY = ConfigOptions.key("file_rolling.strategy")
            .enumType(RollingStrategy.class)
            .defaultValue(RollingStrategy.SIZE)
            .withDescription("Whether file_rolling.size or file_rolling.count ends a data file.");

    public static final ConfigOption<Long> FILE_ROLLING_SIZE = ConfigOptions.key("file_rolling.size")
            .longType()
            .defaultValue(100L << 20)
            .withDescription("Bytes after which a data file is closed; negative: never before the checkpoint.");

    public static final ConfigOption<Long> FILE_ROLLING_COUNT = ConfigOptions.key("file_rolling.count")
            .longType()
            .defaultValue(-1L)
            .withDescription("Rows after which a data file is closed; negative: never before the checkpoint.");

    public static final ConfigOption<WriteMode> WRITE_MODE = ConfigOptions.key("write.mode")
            .enumType(WriteMode.class)
            .defaultValue(WriteMode.APPEND)
            .withDescription("Only 'append'; 'upsert' is refused.");

    public static final ConfigOption<Integer> COMMIT_MAX_RETRIES = ConfigOptions.key("commit.max_retries")
            .intType()
            .defaultValue(20)
            .withDescription("Attempts after the first, when other writers commit at the same time.");

    public static final ConfigOption<Integer> WRITER_MAX_OPEN_FILES = ConfigOptions.key("writer.max_open_files")
            .intType()
            .defaultValue(32)
            .withDescription(
                    "Data files open at a time in one subtask; the least recently written is closed for another.");

    public static final ConfigOption<MemorySize> WRITER_MEMORY = ConfigOptions.key("writer.memory")
            .memoryType()
            .defaultValue(MemorySize.ofMebiBytes(128))
            .withDescription("Heap that the open files of one subtask may fill between them.");

    public static final ConfigOption<String> COMPRESSION = ConfigOptions.key("parquet.compression")
            .stringType()
            .defaultValue("zstd")
            .withDescription("zstd, snappy, gzip or uncompressed.");

    public static final ConfigOption<List<String>> PLAIN_COLUMNS = ConfigOptions.key("parquet.plain_columns")
            .stringType()
            .asList()
            .defaultValues()
            .withDescription("Columns of mostly different values, written without a dictionary.");

    /** Options that begin like this are Delta table properties for a table that the sink creates. */
    public static final String PROPERTY_PREFIX = "delta.";

    /** Options that begin like this are, without it, Hadoop configuration: {@code hadoop.fs.s3a.endpoint}. */
    public static final String HADOOP_PREFIX = "hadoop.";

    private DeltaOptions() {}
}
