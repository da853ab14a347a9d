package io.lakehouse.flink.delta;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.ValidationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The connector in SQL. */
@Timeout(300)
class DeltaTableFactoryITCase {

    private final TableEnvironment sql = TableEnvironment.create(
            EnvironmentSettings.newInstance().inStreamingMode().build());

    @TempDir
    Path table;

    @Test
    void insertIntoWritesThePartitionedTable() throws Exception {
        create(
                "id BIGINT NOT NULL, amount DECIMAL(10, 2), happened TIMESTAMP_LTZ(3), region STRING",
                "PARTITIONED BY (region)",
                "'uid' = 'orders', 'delta.enableChangeDataFeed' = 'true', 'file_rolling.strategy' = 'count', 'file_rolling.count' = '2'");

        insert(
                "SELECT * FROM (VALUES (1, 1.50, TO_TIMESTAMP_LTZ(0, 3), 'a'), (2, CAST(NULL AS DECIMAL(10, 2)), TO_TIMESTAMP_LTZ(1, 3), 'a'), (3, 3, TO_TIMESTAMP_LTZ(2, 3), 'b'))");

        assertThat(TestTables.rows(
                        table,
                        row -> row.getLong(0) + " " + (row.isNullAt(1) ? null : row.getDecimal(1)) + " "
                                + row.getLong(2) + " " + row.getString(3)))
                .containsExactlyInAnyOrder("1 1.50 0 a", "2 null 1000 a", "3 3.00 2000 b");
        assertThat(TestTables.snapshot(table).getPartitionColumnNames()).containsExactly("region");
        assertThat(TestTables.snapshot(table).getTableProperties()).containsEntry("delta.enableChangeDataFeed", "true");
    }

    @Test
    void aStaticPartitionIsFilledIn() throws Exception {
        create("id INT, region STRING", "PARTITIONED BY (region)", "'uid' = 'x'");

        sql.executeSql("INSERT INTO t PARTITION (region = 'north') SELECT * FROM (VALUES (1), (2))")
                .await();

        assertThat(TestTables.rows(table, row -> row.getInt(0) + row.getString(1)))
                .containsExactlyInAnyOrder("1north", "2north");
    }

    @Test
    void thePartitionsOptionEqualsPartitionedBy() throws Exception {
        create("id INT, a STRING, b STRING", "", "'partitions' = 'a, b'");

        insert("VALUES (1, 'x', 'y')");

        assertThat(TestTables.snapshot(table).getPartitionColumnNames()).containsExactly("a", "b");
    }

    @Test
    void upsertModeIsRefusedWithAWayOut() {
        create("id INT", "", "'write.mode' = 'upsert'");

        assertThatThrownBy(() -> insert("VALUES (1)"))
                .hasStackTraceContaining("write.mode is 'upsert', but has to be 'append'")
                .hasStackTraceContaining("upsert-kafka");
    }

    @Test
    void aPrimaryKeyIsRefused() {
        create("id INT, PRIMARY KEY (id) NOT ENFORCED", "", "'uid' = 'x'");

        assertThatThrownBy(() -> insert("VALUES (1)")).hasStackTraceContaining("PRIMARY KEY");
    }

    @Test
    void anUpdatingQueryIsRefusedWithAWayOut() {
        create("k STRING, n BIGINT", "", "'uid' = 'x'");
        sql.executeSql("CREATE TABLE src (k STRING) WITH ('connector' = 'datagen', 'number-of-rows' = '5')");

        assertThatThrownBy(() -> insert("SELECT k, COUNT(*) FROM src GROUP BY k"))
                .isInstanceOf(ValidationException.class)
                .hasMessageContaining("updates or deletes rows")
                .hasMessageContaining("Use a window");
    }

    @Test
    void unknownOptionsAreNamed() {
        create("id INT", "", "'file_rolling.sise' = '5'");

        assertThatThrownBy(() -> insert("VALUES (1)")).hasStackTraceContaining("file_rolling.sise");
    }

    @Test
    void aWrongValueIsNamed() {
        create("id INT", "", "'parquet.compression' = 'lzo'");

        assertThatThrownBy(() -> insert("VALUES (1)"))
                .hasStackTraceContaining("compression is 'lzo', but has to be one of");
    }

    private void create(String columns, String partitionedBy, String options) {
        sql.executeSql("CREATE TABLE t (%s) %s WITH ('connector' = 'delta', 'table_path' = '%s', %s)"
                .formatted(columns, partitionedBy, table, options));
    }

    private void insert(String query) throws Exception {
        sql.executeSql("INSERT INTO t " + query).await();
    }
}
