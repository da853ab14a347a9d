package io.lakehouse.flink.delta;

import io.lakehouse.flink.delta.internal.sql.DeltaTableSink;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.annotation.PublicEvolving;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.catalog.ResolvedCatalogTable;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSinkFactory;
import org.apache.flink.table.factories.FactoryUtil;
import org.apache.flink.table.types.logical.RowType;

/**
 * The SQL connector {@code delta}.
 *
 * <p>Identifier and option names are those of Delta's own connector, so that it can take this one's place.
 */
@PublicEvolving
public final class DeltaTableFactory implements DynamicTableSinkFactory {

    public static final String IDENTIFIER = "delta";

    private static final String NO_UPSERTS =
            """
            The Delta sink only appends: it has no upserts. For the latest row of each key, append every version with the \
            time it was made and let readers take the newest, or write to an upsert-kafka table and merge from there in \
            batches.""";

    @Override
    public String factoryIdentifier() {
        return IDENTIFIER;
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(DeltaOptions.TABLE_PATH);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(
                DeltaOptions.PARTITIONS,
                DeltaOptions.UID,
                DeltaOptions.NAME,
                DeltaOptions.SCHEMA_EVOLUTION_MODE,
                DeltaOptions.FILE_ROLLING_STRATEGY,
                DeltaOptions.FILE_ROLLING_SIZE,
                DeltaOptions.FILE_ROLLING_COUNT,
                DeltaOptions.WRITE_MODE,
                DeltaOptions.COMMIT_MAX_RETRIES,
                DeltaOptions.WRITER_MAX_OPEN_FILES,
                DeltaOptions.WRITER_MEMORY,
                DeltaOptions.COMPRESSION,
                DeltaOptions.PLAIN_COLUMNS,
                FactoryUtil.SINK_PARALLELISM);
    }

    @Override
    public DynamicTableSink createDynamicTableSink(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validateExcept(DeltaOptions.PROPERTY_PREFIX, DeltaOptions.HADOOP_PREFIX);
        ReadableConfig options = helper.getOptions();
        ResolvedCatalogTable table = context.getCatalogTable();
        refuseUpserts(options, table);
        RowType rowType =
                (RowType) table.getResolvedSchema().toPhysicalRowDataType().getLogicalType();
        return new DeltaTableSink(
                sink(rowType, options, table),
                options.getOptional(DeltaOptions.UID).orElse(null),
                options.getOptional(DeltaOptions.NAME)
                        .orElse("delta " + context.getObjectIdentifier().getObjectName()),
                options.getOptional(FactoryUtil.SINK_PARALLELISM).orElse(null),
                NO_UPSERTS);
    }

    private static void refuseUpserts(ReadableConfig options, ResolvedCatalogTable table) {
        if (options.get(DeltaOptions.WRITE_MODE) == DeltaOptions.WriteMode.UPSERT) {
            throw new ValidationException("write.mode is 'upsert', but has to be 'append'. " + NO_UPSERTS);
        }
        if (table.getResolvedSchema().getPrimaryKey().isPresent()) {
            throw new ValidationException(
                    "The table has a PRIMARY KEY, which an appending sink cannot keep; leave it out. " + NO_UPSERTS);
        }
    }

    private static DeltaSink<RowData> sink(RowType rowType, ReadableConfig options, ResolvedCatalogTable table) {
        boolean bySize = options.get(DeltaOptions.FILE_ROLLING_STRATEGY) == DeltaOptions.RollingStrategy.SIZE;
        DeltaSinkBuilder<RowData> builder = DeltaSink.forRowData(rowType)
                .tablePath(options.get(DeltaOptions.TABLE_PATH))
                .partitionBy(partitionColumns(options, table.getPartitionKeys()))
                .schemaEvolution(options.get(DeltaOptions.SCHEMA_EVOLUTION_MODE))
                .rollAtBytes(bySize ? options.get(DeltaOptions.FILE_ROLLING_SIZE) : -1)
                .rollAtRows(bySize ? -1 : options.get(DeltaOptions.FILE_ROLLING_COUNT))
                .maxCommitRetries(options.get(DeltaOptions.COMMIT_MAX_RETRIES))
                .maxOpenFiles(options.get(DeltaOptions.WRITER_MAX_OPEN_FILES))
                .memory(options.get(DeltaOptions.WRITER_MEMORY))
                .compression(options.get(DeltaOptions.COMPRESSION))
                .plainColumns(new HashSet<>(options.get(DeltaOptions.PLAIN_COLUMNS)));
        options.getOptional(DeltaOptions.UID).ifPresent(builder::uid);
        Map<String, String> all = table.getOptions();
        all.forEach((key, value) -> {
            if (key.startsWith(DeltaOptions.PROPERTY_PREFIX)) {
                builder.tableProperty(key, value);
            } else if (key.startsWith(DeltaOptions.HADOOP_PREFIX)) {
                builder.hadoopOption(key.substring(DeltaOptions.HADOOP_PREFIX.length()), value);
            }
        });
        return builder.build();
    }

    private static List<String> partitionColumns(ReadableConfig options, List<String> partitionedBy) {
        List<String> option = options.getOptional(DeltaOptions.PARTITIONS).stream()
                .flatMap(value -> Arrays.stream(value.split(",")))
                .map(String::trim)
                .filter(name -> !name.isEmpty())
                .toList();
        if (!option.isEmpty() && !partitionedBy.isEmpty() && !option.equals(partitionedBy)) {
            throw new ValidationException(
                    "The table is PARTITIONED BY %s, but its option 'partitions' says %s. Keep one."
                            .formatted(partitionedBy, option));
        }
        return option.isEmpty() ? partitionedBy : option;
    }
}
