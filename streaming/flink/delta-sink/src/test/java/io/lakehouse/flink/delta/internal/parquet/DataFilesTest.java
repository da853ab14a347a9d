package io.lakehouse.flink.delta.internal.parquet;

import static org.assertj.core.api.Assertions.assertThat;

import io.lakehouse.flink.delta.TestTables;
import io.lakehouse.flink.delta.WriteFixture;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DataFilesTest {

    private static final RowType TYPE = (RowType) DataTypes.ROW(
                    DataTypes.FIELD("id", DataTypes.INT()),
                    DataTypes.FIELD("payload", DataTypes.STRING()),
                    DataTypes.FIELD("day", DataTypes.STRING()))
            .getLogicalType();

    @TempDir
    Path table;

    @Test
    void aFileEndsAtItsNumberOfRows() throws Exception {
        List<DataFile> files = new WriteFixture(table, TYPE).write(settings(-1, 40, 32), rows(100));

        assertThat(files).extracting(DataFile::rows).containsExactly(40L, 40L, 20L);
    }

    @Test
    void aFileEndsNearItsSize() throws Exception {
        List<GenericRowData> rows = IntStream.range(0, 20_000)
                .mapToObj(i -> GenericRowData.of(
                        i,
                        StringData.fromString(new java.util.Random(i)
                                .ints(25)
                                .boxed()
                                .toList()
                                .toString()),
                        null))
                .toList();

        List<DataFile> files = new WriteFixture(table, TYPE).write(settings(1L << 20, -1, 32), rows);

        assertThat(files.stream().mapToLong(DataFile::rows).sum()).isEqualTo(20_000);
        assertThat(files).hasSizeBetween(3, 8);
        // Compression comes after the decision, so files are smaller than asked for, never much larger.
        assertThat(files).allSatisfy(file -> assertThat(file.size()).isLessThan((1L << 20) * 11 / 10));
    }

    @Test
    void openFilesStayBoundedWithManyPartitions() throws Exception {
        WriteFixture fixture = new WriteFixture(table, TYPE, "day");
        int partitions = 50;
        int mostOpen = 0;
        List<DataFile> files;
        try (DataFiles<RowData> writer = fixture.open(settings(-1, -1, 4))) {
            for (int i = 0; i < 500; i++) {
                writer.write(row(i, "day-" + i % partitions));
                mostOpen = Math.max(mostOpen, writer.openFiles());
            }
            files = writer.takeFinished();
            assertThat(writer.openFiles()).isZero();
        }

        assertThat(mostOpen).isEqualTo(4);
        assertThat(files.stream().mapToLong(DataFile::rows).sum()).isEqualTo(500);
        assertThat(files.stream().map(DataFile::partition).distinct()).hasSize(partitions);
    }

    @Test
    void thePartitionInUseOutlivesTheOneThatIsNot() throws Exception {
        List<RowData> rows = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            rows.add(row(i, "busy"));
            rows.add(row(i, "rare-" + i));
        }

        List<DataFile> files = new WriteFixture(table, TYPE, "day").write(settings(-1, -1, 2), rows);

        assertThat(files.stream().filter(file -> file.partition().contains("busy")))
                .extracting(DataFile::rows)
                .containsExactly(20L);
    }

    @Test
    void recordsMayBeReusedObjects() throws Exception {
        byte[] buffer = new byte[4];
        GenericRowData reused = new GenericRowData(3);
        WriteFixture fixture = new WriteFixture(table, TYPE, "day");
        fixture.table().createOrValidate();
        List<DataFile> files;
        try (DataFiles<RowData> writer = fixture.open(WriteFixture.FILES)) {
            for (int i = 0; i < 1000; i++) {
                byte[] text = "%04d".formatted(i).getBytes();
                System.arraycopy(text, 0, buffer, 0, 4);
                reused.setField(0, i);
                reused.setField(1, StringData.fromBytes(buffer));
                reused.setField(2, StringData.fromString("d" + i % 3));
                writer.write(reused);
            }
            files = writer.takeFinished();
        }
        fixture.committer(0).commit(new io.lakehouse.flink.delta.internal.commit.CheckpointCommit("t", 1, 0, 1, files));

        assertThat(TestTables.rows(table, row -> row.getInt(0) + row.getString(1) + row.getString(2)))
                .containsExactlyInAnyOrderElementsOf(IntStream.range(0, 1000)
                        .mapToObj(i -> i + "%04d".formatted(i) + "d" + i % 3)
                        .toList());
    }

    @Test
    void filesGivenUpAreRemoved() throws Exception {
        try (DataFiles<RowData> writer = new WriteFixture(table, TYPE).open(WriteFixture.FILES)) {
            writer.write(row(1, "x"));
            assertThat(TestTables.dataFiles(table)).hasSize(1);
        }

        assertThat(TestTables.dataFiles(table)).isEmpty();
    }

    private static WriterSettings settings(long bytes, long rows, int openFiles) {
        return new WriterSettings(bytes, rows, openFiles, 64L << 20, "zstd", Set.of("id"));
    }

    private static List<GenericRowData> rows(int count) {
        return IntStream.range(0, count).mapToObj(i -> row(i, "d")).toList();
    }

    private static GenericRowData row(int id, String day) {
        return GenericRowData.of(id, StringData.fromString("p"), StringData.fromString(day));
    }
}
