package io.lakehouse.flink.delta;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.Test;

/** What cannot work is said when the job is built, not when it runs. */
class DeltaSinkBuilderTest {

    private static final RowType TYPE = (RowType) DataTypes.ROW(
                    DataTypes.FIELD("id", DataTypes.INT()),
                    DataTypes.FIELD("tags", DataTypes.ARRAY(DataTypes.STRING())))
            .getLogicalType();

    @Test
    void aPathIsNeeded() {
        assertThatThrownBy(() -> DeltaSink.forRowData(TYPE).build())
                .isInstanceOf(ValidationException.class)
                .hasMessageContaining("tablePath is missing");
    }

    @Test
    void partitionColumnsHaveToExist() {
        refused(
                builder -> builder.partitionBy(List.of("day")),
                "Partition column 'day' is not a column; there are [id, tags]");
    }

    @Test
    void partitionColumnsHaveToBeScalars() {
        refused(builder -> builder.partitionBy(List.of("tags")), "Partition column 'tags' is array[string]");
    }

    @Test
    void plainColumnsHaveToExist() {
        refused(builder -> builder.plainColumns(Set.of("idd")), "plainColumns names 'idd'; the columns are [id, tags]");
    }

    @Test
    void propertiesThatNotEveryReaderUnderstandsAreRefused() {
        refused(
                builder -> builder.tableProperty("delta.enableDeletionVectors", "true"),
                "delta.enableDeletionVectors = 'true'");
    }

    @Test
    void limitsHaveToMakeSense() {
        refused(builder -> builder.maxOpenFiles(0), "maxOpenFiles is 0, but has to be 1 or more");
        refused(builder -> builder.rollAtRows(0), "cannot be rolled at 0");
        refused(
                builder -> builder.tableProperty("delta.dataSkippingNumIndexedCols", "many"),
                "delta.dataSkippingNumIndexedCols is 'many', but has to be a number");
    }

    private static void refused(UnaryOperator<DeltaSinkBuilder<RowData>> setting, String message) {
        assertThatThrownBy(() -> setting.apply(DeltaSink.forRowData(TYPE).tablePath("/t"))
                        .build())
                .isInstanceOf(ValidationException.class)
                .hasMessageContaining(message);
    }
}
