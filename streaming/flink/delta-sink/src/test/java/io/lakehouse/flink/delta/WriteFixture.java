package io.lakehouse.flink.delta;

import io.lakehouse.flink.delta.internal.commit.Backoff;
import io.lakehouse.flink.delta.internal.commit.CheckpointCommit;
import io.lakehouse.flink.delta.internal.commit.CommitOutcome;
import io.lakehouse.flink.delta.internal.commit.TableCommitter;
import io.lakehouse.flink.delta.internal.parquet.DataFile;
import io.lakehouse.flink.delta.internal.parquet.DataFileFactory;
import io.lakehouse.flink.delta.internal.parquet.DataFiles;
import io.lakehouse.flink.delta.internal.parquet.WriterSettings;
import io.lakehouse.flink.delta.internal.rowdata.RowDataEncoder;
import io.lakehouse.flink.delta.internal.table.DeltaTable;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;

/** The sink's parts without Flink's runtime: write rows into files, commit files to a table. */
public final class WriteFixture {

    public static final WriterSettings FILES = new WriterSettings(100L << 20, -1, 32, 64L << 20, "zstd", Set.of());

    private final TableSettings settings;

    public WriteFixture(Path table, RowType rowType, String... partitionColumns) {
        this(new TableSettings(
                table.toString(), rowType, List.of(partitionColumns), Map.of(), Map.of(), SchemaEvolution.NO, 20));
    }

    public WriteFixture(TableSettings settings) {
        this.settings = settings;
    }

    public TableSettings settings() {
        return settings;
    }

    public List<DataFile> write(List<? extends RowData> rows) throws Exception {
        return write(FILES, rows);
    }

    public List<DataFile> write(WriterSettings files, List<? extends RowData> rows) throws Exception {
        try (DataFiles<RowData> writer = open(files)) {
            for (RowData row : rows) {
                writer.write(row);
            }
            return writer.takeFinished();
        }
    }

    public DataFiles<RowData> open(WriterSettings files) throws Exception {
        RowDataEncoder encoder = new RowDataEncoder(settings.rowType(), settings.partitionColumns());
        return new DataFiles<>(new DataFileFactory<>(settings, files, encoder, 0), files);
    }

    public DeltaTable table() throws Exception {
        return new DeltaTable(settings);
    }

    public TableCommitter committer(long restoredCheckpoint) throws Exception {
        return new TableCommitter(table(), restoredCheckpoint, new Backoff(settings.maxCommitRetries()));
    }

    /** Creates the table if needed and appends the rows in one commit. */
    public CommitOutcome append(List<? extends RowData> rows) throws Exception {
        table().createOrValidate();
        return committer(0).commit(new CheckpointCommit("test-" + System.nanoTime(), 1, 0, 1, write(rows)));
    }
}
