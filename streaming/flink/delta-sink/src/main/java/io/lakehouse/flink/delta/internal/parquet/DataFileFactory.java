package io.lakehouse.flink.delta.internal.parquet;

import io.delta.kernel.expressions.Column;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.StructType;
import io.lakehouse.flink.delta.RecordEncoder;
import io.lakehouse.flink.delta.internal.schema.DeltaSchema;
import io.lakehouse.flink.delta.internal.schema.ParquetSchema;
import io.lakehouse.flink.delta.internal.table.HadoopSettings;
import io.lakehouse.flink.delta.internal.table.PartitionLiterals;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.conf.HadoopParquetConfiguration;
import org.apache.parquet.conf.ParquetConfiguration;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.schema.MessageType;

/** Opens the data files of one subtask, and describes them when they are finished. */
public final class DataFileFactory<T> {

    private final TableSettings table;
    private final WriterSettings settings;
    private final RecordEncoder<T> encoder;
    private final int subtask;
    private final PartitionLiterals partitions;
    private final StructType dataSchema;
    private final MessageType parquetSchema;
    private final Map<Column, DataType> statisticsColumns;
    private final List<String> unlisted;
    private final ParquetConfiguration configuration;
    private final FileSystem fileSystem;
    private final Path root;

    public DataFileFactory(TableSettings table, WriterSettings settings, RecordEncoder<T> encoder, int subtask)
            throws IOException {
        this.table = table;
        this.settings = settings;
        this.encoder = encoder;
        this.subtask = subtask;
        StructType schema = DeltaSchema.of(table.rowType());
        this.partitions = new PartitionLiterals(schema, table.partitionColumns());
        this.dataSchema = DeltaSchema.withoutPartitions(schema, table.partitionColumns());
        this.parquetSchema = ParquetSchema.of(dataSchema);
        this.statisticsColumns = StatisticsColumns.of(dataSchema, table.properties());
        this.unlisted = unlisted(parquetSchema, StatisticsColumns.list(table.properties()));
        Configuration hadoop = HadoopSettings.configuration(table.hadoopOptions());
        this.configuration = new HadoopParquetConfiguration(hadoop);
        this.fileSystem = new Path(table.path()).getFileSystem(hadoop);
        this.root = fileSystem.makeQualified(new Path(table.path()));
        encoder.open(parquetSchema);
    }

    /** Columns whose bounds nobody reads: a comparison a value is a tenth of the whole cost of writing. */
    private static List<String> unlisted(MessageType schema, Set<String> list) {
        return schema.getPaths().stream()
                .map(path -> String.join(".", path))
                .filter(path -> !list.isEmpty() && !StatisticsColumns.listed(list, path))
                .toList();
    }

    boolean partitioned() {
        return !table.partitionColumns().isEmpty();
    }

    int partitionColumns() {
        return table.partitionColumns().size();
    }

    void partition(T record, Object[] values) {
        encoder.partition(record, values);
        partitions.normalize(values);
    }

    OpenFile<T> open(PartitionKey partition) throws IOException {
        String name = "part-%05d-%s.%s.parquet"
                .formatted(subtask, UUID.randomUUID(), settings.compression().toLowerCase(Locale.ROOT));
        Path directory = new Path(partitions.directory(root.toString(), partition.values()));
        CountedOutputFile file = new CountedOutputFile(fileSystem, new Path(directory, name));
        DataFileWriter.Builder<T> builder = new DataFileWriter.Builder<>(file, parquetSchema, encoder)
                .withConf(configuration)
                .withCompressionCodec(
                        CompressionCodecName.valueOf(settings.compression().toUpperCase(Locale.ROOT)))
                .withRowGroupSize(settings.rowGroupBytes(partitioned()));
        settings.plainColumns().forEach(column -> builder.withDictionaryEncoding(column, false));
        unlisted.forEach(
                column -> builder.withStatisticsEnabled(column, false).withSizeStatisticsEnabled(column, false));
        ParquetWriter<T> parquet = builder.build();
        return new OpenFile<>(this, settings, partition, file, new DataFileWriter<>(parquet));
    }

    DataFile describe(CountedOutputFile file, DataFileWriter<T> writer, PartitionKey partition) {
        return new DataFile(
                file.path().toString(),
                file.size(),
                System.currentTimeMillis(),
                writer.rows(),
                partition.values(),
                FooterStatistics.json(writer.footer(), dataSchema, statisticsColumns));
    }
}
