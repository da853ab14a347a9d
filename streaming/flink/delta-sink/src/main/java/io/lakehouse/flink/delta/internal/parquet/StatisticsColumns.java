package io.lakehouse.flink.delta.internal.parquet;

import io.delta.kernel.expressions.Column;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.StructField;
import io.delta.kernel.types.StructType;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The leaf columns that get statistics: the first of them, as many as {@code delta.dataSkippingNumIndexedCols} says.
 *
 * @see <a href="https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics">Delta protocol,
 *     per-file statistics</a>
 */
public final class StatisticsColumns {

    public static final String PROPERTY = "delta.dataSkippingNumIndexedCols";

    private static final int DEFAULT = 32;

    private StatisticsColumns() {}

    public static Map<Column, DataType> of(StructType schema, Map<String, String> tableProperties) {
        String limit = tableProperties.getOrDefault(PROPERTY, String.valueOf(DEFAULT));
        int columns = Integer.parseInt(limit);
        Map<Column, DataType> leaves = new LinkedHashMap<>();
        collect(schema, new Column(new String[0]), columns < 0 ? Integer.MAX_VALUE : columns, leaves);
        return leaves;
    }

    private static void collect(StructType schema, Column parent, int limit, Map<Column, DataType> leaves) {
        for (StructField field : schema.fields()) {
            Column column = parent.appendNestedField(field.getName());
            if (field.getDataType() instanceof StructType struct) {
                collect(struct, column, limit, leaves);
            } else if (leaves.size() < limit) {
                leaves.put(column, field.getDataType());
            }
        }
    }
}
