package io.lakehouse.flink.delta.internal.table;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.delta.kernel.Snapshot;
import io.lakehouse.flink.delta.SchemaEvolution;
import io.lakehouse.flink.delta.TestTables;
import io.lakehouse.flink.delta.WriteFixture;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.DataTypes.Field;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DeltaTableTest {

    private static final Field ID = DataTypes.FIELD("id", DataTypes.BIGINT().notNull());
    private static final Field NAME = DataTypes.FIELD("name", DataTypes.STRING());
    private static final Field DAY = DataTypes.FIELD("day", DataTypes.DATE());

    @TempDir
    Path path;

    @Test
    void aMissingTableIsCreatedAsAsked() throws Exception {
        Snapshot snapshot = table(
                        Map.of("delta.enableChangeDataFeed", "true", "delta.checkpointInterval", "50"),
                        "day",
                        ID,
                        NAME,
                        DAY)
                .createOrValidate();

        assertThat(snapshot.getVersion()).isZero();
        assertThat(snapshot.getSchema().fieldNames()).containsExactly("id", "name", "day");
        assertThat(snapshot.getSchema().get("id").isNullable()).isFalse();
        assertThat(snapshot.getPartitionColumnNames()).containsExactly("day");
        assertThat(snapshot.getTableProperties())
                .containsEntry("delta.enableChangeDataFeed", "true")
                .containsEntry("delta.checkpointInterval", "50")
                .containsEntry("delta.enableDeletionVectors", "false");
    }

    @Test
    void ofSeveralThatCreateTheTableOneDoes() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        List<Callable<Long>> creators = IntStream.range(0, 8)
                .<Callable<Long>>mapToObj(
                        i -> () -> table(Map.of(), null, ID).createOrValidate().getVersion())
                .toList();
        for (Future<Long> version : pool.invokeAll(creators)) {
            assertThat(version.get()).isZero();
        }
        pool.shutdown();

        assertThat(TestTables.count(path, "metaData")).isEqualTo(1);
    }

    @Test
    void theOrderOfColumnsDoesNotMatter() throws Exception {
        table(Map.of(), null, ID, NAME).createOrValidate();

        assertThat(table(Map.of(), null, NAME, ID).createOrValidate().getVersion())
                .isZero();
    }

    @Test
    void aTableMayBeWiderThanTheSink() throws Exception {
        table(Map.of(), null, ID, NAME).createOrValidate();

        new WriteFixture(settings(Map.of(), SchemaEvolution.NO, null, ID)).append(List.of(GenericRowData.of(1L)));

        assertThat(TestTables.rows(path, row -> row.getLong(0) + " " + row.isNullAt(1)))
                .containsExactly("1 true");
    }

    @Test
    void everyDifferenceIsNamed() throws Exception {
        table(
                        Map.of(),
                        "day",
                        ID,
                        NAME,
                        DAY,
                        DataTypes.FIELD("must", DataTypes.INT().notNull()),
                        DataTypes.FIELD(
                                "nested", DataTypes.ROW(DataTypes.FIELD("a", DataTypes.ARRAY(DataTypes.INT())))))
                .createOrValidate();
        DeltaTable other = table(
                Map.of(),
                null,
                DataTypes.FIELD("id", DataTypes.BIGINT()),
                DataTypes.FIELD("Name", DataTypes.STRING()),
                DataTypes.FIELD("day", DataTypes.TIMESTAMP(3)),
                DataTypes.FIELD("extra", DataTypes.DOUBLE()),
                DataTypes.FIELD("nested", DataTypes.ROW(DataTypes.FIELD("a", DataTypes.ARRAY(DataTypes.BIGINT())))));

        assertThatThrownBy(other::createOrValidate)
                .isInstanceOf(ValidationException.class)
                .hasMessageContainingAll(
                        "column 'id' is nullable in the sink, NOT NULL in the table",
                        "column 'Name' is spelled 'name' in the table",
                        "column 'day' is timestamp_ntz in the sink, date in the table",
                        "column 'extra' (double) is not in the table",
                        "column 'nested.a.element' is long in the sink, integer in the table",
                        "column 'must' is NOT NULL in the table, and the sink does not write it",
                        "partitioned by [day], the sink by []");
    }

    @Test
    void newNullableColumnsAreAddedWhenAllowed() throws Exception {
        new WriteFixture(settings(Map.of(), SchemaEvolution.NO, null, ID)).append(List.of(GenericRowData.of(1L)));

        new WriteFixture(settings(Map.of(), SchemaEvolution.NEWCOLUMN, null, ID, NAME))
                .append(List.of(GenericRowData.of(2L, StringData.fromString("x"))));

        assertThat(TestTables.rows(path, row -> row.getLong(0) + "=" + (row.isNullAt(1) ? null : row.getString(1))))
                .containsExactlyInAnyOrder("1=null", "2=x");
    }

    @Test
    void newColumnsAreNotAddedUnasked() throws Exception {
        table(Map.of(), null, ID).createOrValidate();

        assertThatThrownBy(() -> table(Map.of(), null, ID, NAME).createOrValidate())
                .hasMessageContaining("column 'name' (string) is not in the table")
                .hasMessageContaining("schema_evolution.mode = 'newcolumn'");
    }

    @Test
    void aRequiredColumnCannotBeAdded() throws Exception {
        table(Map.of(), null, NAME).createOrValidate();
        DeltaTable wider = new DeltaTable(settings(Map.of(), SchemaEvolution.NEWCOLUMN, null, NAME, ID));

        assertThatThrownBy(wider::createOrValidate)
                .isInstanceOf(ValidationException.class)
                .hasMessageContaining("'id' is NOT NULL and cannot be added");
    }

    @Test
    void aTimestampColumnNeedsItsTableFeature() throws Exception {
        table(Map.of(), null, ID).createOrValidate();
        DeltaTable wider = new DeltaTable(
                settings(Map.of(), SchemaEvolution.NEWCOLUMN, null, ID, DataTypes.FIELD("at", DataTypes.TIMESTAMP(3))));

        assertThatThrownBy(wider::createOrValidate)
                .isInstanceOf(ValidationException.class)
                .hasMessageContaining("timestampNtz");
    }

    @Test
    void partitionValuesOfAnyCharactersComeBack() throws Exception {
        RowType type = (RowType) DataTypes.ROW(ID, NAME).getLogicalType();
        List<String> odd = List.of("a b", "a/b", "x=y", "100%", "ü日😀", "it's", "#?&+:\\\"", "%20", ".", "..", " ");
        List<GenericRowData> rows = IntStream.range(0, odd.size())
                .mapToObj(i -> GenericRowData.of((long) i, StringData.fromString(odd.get(i))))
                .toList();

        new WriteFixture(path, type, "name").append(rows);

        assertThat(TestTables.rows(path, row -> row.getString(1))).containsExactlyInAnyOrderElementsOf(odd);
    }

    @Test
    void anEmptyPartitionValueIsNull() throws Exception {
        RowType type = (RowType) DataTypes.ROW(ID, NAME).getLogicalType();

        new WriteFixture(path, type, "name")
                .append(List.of(GenericRowData.of(1L, StringData.fromString("")), GenericRowData.of(2L, null)));

        assertThat(TestTables.rows(path, row -> row.isNullAt(1))).containsExactly(true, true);
        assertThat(TestTables.dataFiles(path)).hasSize(1);
    }

    /** Features that other writers switch on, and that Spark, delta-rs and DuckDB all read. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "delta.enableChangeDataFeed",
                "delta.enableRowTracking",
                "delta.enableInCommitTimestamps",
                "delta.appendOnly"
            })
    void tablesWithCommonFeaturesAreWrittenTo(String property) throws Exception {
        WriteFixture fixture = new WriteFixture(settings(Map.of(property, "true"), SchemaEvolution.NO, null, ID));

        fixture.append(List.of(GenericRowData.of(1L)));
        fixture.append(List.of(GenericRowData.of(2L)));

        assertThat(TestTables.snapshot(path).getTableProperties()).containsEntry(property, "true");
        assertThat(TestTables.rows(path, row -> row.getLong(0))).containsExactlyInAnyOrder(1L, 2L);
    }

    private DeltaTable table(Map<String, String> properties, String partition, Field... fields) throws Exception {
        return new DeltaTable(settings(properties, SchemaEvolution.NO, partition, fields));
    }

    private TableSettings settings(
            Map<String, String> properties, SchemaEvolution evolution, String partition, Field... fields) {
        return new TableSettings(
                path.toString(),
                (RowType) DataTypes.ROW(fields).getLogicalType(),
                partition == null ? List.of() : List.of(partition),
                properties,
                Map.of(),
                evolution,
                5);
    }
}
