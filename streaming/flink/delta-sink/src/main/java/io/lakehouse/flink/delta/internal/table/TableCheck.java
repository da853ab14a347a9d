package io.lakehouse.flink.delta.internal.table;

import io.delta.kernel.Snapshot;
import io.delta.kernel.types.ArrayType;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.MapType;
import io.delta.kernel.types.StructField;
import io.delta.kernel.types.StructType;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.flink.table.api.ValidationException;

/**
 * What keeps a sink from writing to a table: each difference, one a line.
 *
 * <p>Not every difference does. The order of columns means nothing in Delta; a column that is NOT NULL in the sink fits
 * a nullable one; a nullable column that the sink does not write is read as null.
 */
final class TableCheck {

    private final String path;
    private final List<String> differences = new ArrayList<>();

    private TableCheck(String path) {
        this.path = path;
    }

    static TableCheck of(String path, Snapshot snapshot, StructType sink, List<String> partitionColumns) {
        TableCheck check = new TableCheck(path);
        check.struct("", sink, snapshot.getSchema());
        if (!snapshot.getPartitionColumnNames().equals(partitionColumns)) {
            check.add(
                    "the table is partitioned by %s, the sink by %s",
                    snapshot.getPartitionColumnNames(), partitionColumns);
        }
        String mapping = snapshot.getTableProperties().getOrDefault("delta.columnMapping.mode", "none");
        if (!mapping.equals("none")) {
            check.add("the table has delta.columnMapping.mode=%s, the sink writes columns by name only", mapping);
        }
        return check;
    }

    void orThrow() {
        if (!differences.isEmpty()) {
            throw new ValidationException(
                    ("The sink does not fit the Delta table %s:%n  - %s%nChange the sink's columns, or"
                                    + " the table; schema_evolution.mode = 'newcolumn' adds nullable columns that the table lacks.")
                            .formatted(path, String.join("%n  - ".formatted(), differences)));
        }
    }

    private void add(String difference, Object... arguments) {
        differences.add(difference.formatted(arguments));
    }

    private void struct(String parent, StructType sink, StructType table) {
        for (StructField wanted : sink.fields()) {
            String column = parent + wanted.getName();
            Optional<StructField> found = find(table, wanted.getName());
            if (found.isEmpty()) {
                add("column '%s' (%s) is not in the table", column, wanted.getDataType());
            } else if (!found.get().getName().equals(wanted.getName())) {
                add(
                        "column '%s' is spelled '%s' in the table",
                        column, found.get().getName());
            } else {
                nullability(column, wanted.isNullable(), found.get().isNullable());
                type(column, wanted.getDataType(), found.get().getDataType());
            }
        }
        for (StructField other : table.fields()) {
            if (!other.isNullable() && find(sink, other.getName()).isEmpty()) {
                add("column '%s%s' is NOT NULL in the table, and the sink does not write it", parent, other.getName());
            }
        }
    }

    private void type(String column, DataType sink, DataType table) {
        if (sink instanceof StructType wanted && table instanceof StructType found) {
            struct(column + ".", wanted, found);
        } else if (sink instanceof ArrayType wanted && table instanceof ArrayType found) {
            nullability(column + ".element", wanted.containsNull(), found.containsNull());
            type(column + ".element", wanted.getElementType(), found.getElementType());
        } else if (sink instanceof MapType wanted && table instanceof MapType found) {
            type(column + ".key", wanted.getKeyType(), found.getKeyType());
            nullability(column + ".value", wanted.isValueContainsNull(), found.isValueContainsNull());
            type(column + ".value", wanted.getValueType(), found.getValueType());
        } else if (!sink.equivalent(table)) {
            add("column '%s' is %s in the sink, %s in the table", column, sink, table);
        }
    }

    private void nullability(String column, boolean sink, boolean table) {
        if (sink && !table) {
            add("column '%s' is nullable in the sink, NOT NULL in the table", column);
        }
    }

    private static Optional<StructField> find(StructType schema, String name) {
        return schema.fields().stream()
                .filter(field -> field.getName().equalsIgnoreCase(name))
                .findFirst();
    }
}
