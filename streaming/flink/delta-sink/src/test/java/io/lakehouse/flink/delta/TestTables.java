package io.lakehouse.flink.delta;

import io.delta.kernel.Scan;
import io.delta.kernel.Snapshot;
import io.delta.kernel.TableManager;
import io.delta.kernel.data.FilteredColumnarBatch;
import io.delta.kernel.data.Row;
import io.delta.kernel.defaults.engine.DefaultEngine;
import io.delta.kernel.engine.Engine;
import io.delta.kernel.internal.InternalScanFileUtils;
import io.delta.kernel.internal.data.ScanStateRow;
import io.delta.kernel.internal.util.Utils;
import io.delta.kernel.utils.CloseableIterator;
import io.delta.kernel.utils.FileStatus;
import io.lakehouse.flink.delta.internal.table.HadoopSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;

/** Reads tables back through Delta Kernel's own reader, which shares no code with the sink's writer. */
public final class TestTables {

    private TestTables() {}

    public static Engine engine(Map<String, String> hadoop) {
        Configuration configuration = HadoopSettings.configuration(hadoop);
        return DefaultEngine.create(configuration);
    }

    public static Snapshot snapshot(Object path) {
        return snapshot(path, Map.of());
    }

    public static Snapshot snapshot(Object path, Map<String, String> hadoop) {
        return TableManager.loadSnapshot(path.toString()).build(engine(hadoop));
    }

    public static <R> List<R> rows(Object path, Function<Row, R> reader) throws IOException {
        return rows(path, Map.of(), reader);
    }

    public static <R> List<R> rows(Object path, Map<String, String> hadoop, Function<Row, R> reader)
            throws IOException {
        Engine engine = engine(hadoop);
        Scan scan = TableManager.loadSnapshot(path.toString())
                .build(engine)
                .getScanBuilder()
                .build();
        Row state = scan.getScanState(engine);
        List<R> rows = new ArrayList<>();
        try (CloseableIterator<FilteredColumnarBatch> batches = scan.getScanFiles(engine)) {
            while (batches.hasNext()) {
                try (CloseableIterator<Row> files = batches.next().getRows()) {
                    while (files.hasNext()) {
                        readFile(engine, state, files.next(), reader, rows);
                    }
                }
            }
        }
        return rows;
    }

    private static <R> void readFile(Engine engine, Row state, Row file, Function<Row, R> reader, List<R> rows)
            throws IOException {
        FileStatus status = InternalScanFileUtils.getAddFileStatus(file);
        try (CloseableIterator<FilteredColumnarBatch> data = Scan.transformPhysicalData(
                engine,
                state,
                file,
                engine.getParquetHandler()
                        .readParquetFiles(
                                Utils.singletonCloseableIterator(status),
                                ScanStateRow.getPhysicalDataReadSchema(state),
                                Optional.empty())
                        .map(result -> result.getData()))) {
            while (data.hasNext()) {
                try (CloseableIterator<Row> records = data.next().getRows()) {
                    while (records.hasNext()) {
                        rows.add(reader.apply(records.next()));
                    }
                }
            }
        }
    }

    /** All lines of all commits, in order. */
    public static List<String> log(Path table) throws IOException {
        List<String> lines = new ArrayList<>();
        try (Stream<Path> commits = Files.list(table.resolve("_delta_log"))) {
            for (Path commit :
                    commits.filter(f -> f.toString().endsWith(".json")).sorted().toList()) {
                lines.addAll(Files.readAllLines(commit));
            }
        }
        return lines;
    }

    public static long count(Path table, String action) throws IOException {
        return log(table).stream()
                .filter(line -> line.startsWith("{\"" + action + "\""))
                .count();
    }

    public static List<Path> dataFiles(Path table) throws IOException {
        try (Stream<Path> files = Files.walk(table)) {
            return files.filter(f -> f.toString().endsWith(".parquet"))
                    .filter(f -> !f.toString().contains("_delta_log"))
                    .toList();
        }
    }
}
