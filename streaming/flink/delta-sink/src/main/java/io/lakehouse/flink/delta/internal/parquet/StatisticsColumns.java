package io.lakehouse.flink.delta.internal.parquet;

import io.delta.kernel.expressions.Column;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.StructField;
import io.delta.kernel.types.StructType;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The leaf columns that get statistics: those that {@code delta.dataSkippingStatsColumns} lists, else the first of them,
 * as many as {@code delta.dataSkippingNumIndexedCols} says.
 *
 * @see <a href="https://github.com/delta-io/delta/blob/master/PROTOCOL.md#per-file-statistics">Delta protocol,
 *     per-file statistics</a>
 */
public final class StatisticsColumns {

    public static final String PROPERTY = "delta.dataSkippingNumIndexedCols";

    /** Names with commas between them. What is not listed costs the writer no comparison, in Parquet's footer neither. */
    public static final String LIST = "delta.dataSkippingStatsColumns";

    private static final int DEFAULT = 32;

    private StatisticsColumns() {}

    public static Map<Column, DataType> of(StructType schema, Map<String, String> tableProperties) {
        Set<String> list = list(tableProperties);
        if (!list.isEmpty()) {
            Map<Column, DataType> all = new LinkedHashMap<>();
            collect(schema, new Column(new String[0]), Integer.MAX_VALUE, all);
            all.keySet().removeIf(column -> !listed(list, String.join(".", column.getNames())));
            return all;
        }
        String limit = tableProperties.getOrDefault(PROPERTY, String.valueOf(DEFAULT));
        int columns = Integer.parseInt(limit);
        Map<Column, DataType> leaves = new LinkedHashMap<>();
        collect(schema, new Column(new String[0]), columns < 0 ? Integer.MAX_VALUE : columns, leaves);
        return leaves;
    }

    /** Whether {@code list}, or one of the structs around it, holds the column {@code path}. */
    static boolean listed(Set<String> list, String path) {
        return list.stream().anyMatch(name -> path.equals(name) || path.startsWith(name + "."));
    }

    /** What the table's properties list; empty where they list nothing, and the number of columns decides. */
    static Set<String> list(Map<String, String> tableProperties) {
        return Arrays.stream(tableProperties.getOrDefault(LIST, "").split(","))
                .map(name -> name.replace("`", "").trim())
                .filter(name -> !name.isEmpty())
                .collect(Collectors.toUnmodifiableSet());
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
