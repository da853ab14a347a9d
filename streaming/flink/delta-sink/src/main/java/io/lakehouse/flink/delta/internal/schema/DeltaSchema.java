package io.lakehouse.flink.delta.internal.schema;

import io.delta.kernel.types.ArrayType;
import io.delta.kernel.types.BinaryType;
import io.delta.kernel.types.BooleanType;
import io.delta.kernel.types.ByteType;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.DateType;
import io.delta.kernel.types.DecimalType;
import io.delta.kernel.types.DoubleType;
import io.delta.kernel.types.FloatType;
import io.delta.kernel.types.IntegerType;
import io.delta.kernel.types.LongType;
import io.delta.kernel.types.MapType;
import io.delta.kernel.types.ShortType;
import io.delta.kernel.types.StringType;
import io.delta.kernel.types.StructField;
import io.delta.kernel.types.StructType;
import io.delta.kernel.types.TimestampNTZType;
import io.delta.kernel.types.TimestampType;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.MultisetType;
import org.apache.flink.table.types.logical.RowType;

/** Flink types as Delta types. */
public final class DeltaSchema {

    private DeltaSchema() {}

    /** @throws ValidationException naming the column, when a type has no counterpart in Delta */
    public static StructType of(RowType rowType) {
        return struct(rowType, "");
    }

    /** The columns that are stored in data files: all but the partition columns, whose values are in the log. */
    public static StructType withoutPartitions(StructType schema, List<String> partitionColumns) {
        return new StructType(schema.fields().stream()
                .filter(field -> !partitionColumns.contains(field.getName()))
                .toList());
    }

    private static StructType struct(RowType rowType, String parent) {
        List<StructField> fields = new ArrayList<>();
        for (RowType.RowField field : rowType.getFields()) {
            DataType type = type(field.getType(), parent + field.getName());
            fields.add(new StructField(field.getName(), type, field.getType().isNullable()));
        }
        return new StructType(fields);
    }

    private static DataType type(LogicalType type, String column) {
        return switch (type.getTypeRoot()) {
            case CHAR, VARCHAR -> StringType.STRING;
            case BOOLEAN -> BooleanType.BOOLEAN;
            case BINARY, VARBINARY -> BinaryType.BINARY;
            case DECIMAL -> {
                var decimal = (org.apache.flink.table.types.logical.DecimalType) type;
                yield new DecimalType(decimal.getPrecision(), decimal.getScale());
            }
            case TINYINT -> ByteType.BYTE;
            case SMALLINT -> ShortType.SHORT;
            case INTEGER -> IntegerType.INTEGER;
            case BIGINT -> LongType.LONG;
            case FLOAT -> FloatType.FLOAT;
            case DOUBLE -> DoubleType.DOUBLE;
            case DATE -> DateType.DATE;
            case TIMESTAMP_WITHOUT_TIME_ZONE -> TimestampNTZType.TIMESTAMP_NTZ;
            case TIMESTAMP_WITH_LOCAL_TIME_ZONE -> TimestampType.TIMESTAMP;
            case ARRAY -> {
                LogicalType element = type.getChildren().get(0);
                yield new ArrayType(type(element, column + ".element"), element.isNullable());
            }
            case MAP -> {
                LogicalType value = type.getChildren().get(1);
                yield new MapType(
                        type(type.getChildren().get(0), column + ".key"),
                        type(value, column + ".value"),
                        value.isNullable());
            }
            case MULTISET ->
                new MapType(type(((MultisetType) type).getElementType(), column + ".key"), IntegerType.INTEGER, false);
            case ROW -> struct((RowType) type, column + ".");
            default ->
                throw new ValidationException(
                        ("Column '%s' is %s, which Delta has no type for. Cast it in the query: a TIME or an INTERVAL to"
                                        + " STRING or to a number, anything else to a ROW, ARRAY, MAP, STRING or BYTES.")
                                .formatted(column, type.asSummaryString()));
        };
    }
}
