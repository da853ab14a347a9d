package io.lakehouse.flink.delta;

import com.sun.management.OperatingSystemMXBean;
import io.lakehouse.flink.delta.internal.parquet.DataFile;
import io.lakehouse.flink.delta.internal.parquet.DataFiles;
import io.lakehouse.flink.delta.internal.parquet.WriterSettings;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.RowType;

/**
 * Rows per CPU-second of the process, garbage collection and compilation included, from rows in memory to a finished
 * Parquet file: {@code java -cp … io.lakehouse.flink.delta.WriterBenchmark 2000000 5}.
 */
public final class WriterBenchmark {

    private static final RowType ORDERS = (RowType) DataTypes.ROW(
                    DataTypes.FIELD("order_id", DataTypes.STRING().notNull()),
                    DataTypes.FIELD("customer_id", DataTypes.STRING().notNull()),
                    DataTypes.FIELD("amount_cents", DataTypes.BIGINT().notNull()),
                    DataTypes.FIELD("status", DataTypes.STRING()),
                    DataTypes.FIELD("currency", DataTypes.STRING().notNull()),
                    DataTypes.FIELD("event_time", DataTypes.TIMESTAMP_LTZ(3).notNull()))
            .getLogicalType();

    private static final String[] STATUSES = {"created", "paid", "shipped", "delivered", "cancelled"};

    private WriterBenchmark() {}

    /** @param arguments rows a round, rounds */
    public static void main(String[] arguments) throws Exception {
        int rows = Integer.parseInt(arguments[0]);
        List<RowData> distinct = rows(10_000);
        WriterSettings settings = new WriterSettings(100L << 20, -1, 32, 128L << 20, "zstd", Set.of("order_id"));
        for (int round = 1; round <= Integer.parseInt(arguments[1]); round++) {
            Path directory = Files.createTempDirectory("writer-benchmark");
            long cpu = cpuNanos();
            long wall = System.nanoTime();
            List<DataFile> files;
            try (DataFiles<RowData> writer = new WriteFixture(directory, ORDERS).open(settings)) {
                for (int i = 0; i < rows; i++) {
                    writer.write(distinct.get(i % distinct.size()));
                }
                files = writer.takeFinished();
            }
            double cpuSeconds = (cpuNanos() - cpu) / 1e9;
            double seconds = (System.nanoTime() - wall) / 1e9;
            System.out.printf(
                    "round %d: %,.0f rows/s, %,.0f rows per CPU-second, %d MB in %d files%n",
                    round,
                    rows / seconds,
                    rows / cpuSeconds,
                    files.stream().mapToLong(DataFile::size).sum() >> 20,
                    files.size());
            for (DataFile file : files) {
                Files.delete(Path.of(java.net.URI.create(file.path())));
            }
        }
    }

    private static List<RowData> rows(int count) {
        java.util.Random random = new java.util.Random(1);
        return java.util.stream.IntStream.range(0, count)
                .<RowData>mapToObj(i -> GenericRowData.of(
                        StringData.fromString("order-%012d".formatted(random.nextLong(1_000_000_000_000L))),
                        StringData.fromString("customer-" + random.nextInt(20_000)),
                        random.nextLong(100_000),
                        StringData.fromString(STATUSES[random.nextInt(STATUSES.length)]),
                        StringData.fromString("USD"),
                        TimestampData.fromEpochMillis(1_700_000_000_000L + i)))
                .toList();
    }

    private static long cpuNanos() {
        return ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime();
    }
}
