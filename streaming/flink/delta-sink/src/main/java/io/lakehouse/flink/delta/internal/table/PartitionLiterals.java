package io.lakehouse.flink.delta.internal.table;

import io.delta.kernel.expressions.Literal;
import io.delta.kernel.internal.util.PartitionUtils;
import io.delta.kernel.types.BasePrimitiveType;
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
import io.delta.kernel.types.ShortType;
import io.delta.kernel.types.StringType;
import io.delta.kernel.types.StructField;
import io.delta.kernel.types.StructType;
import io.delta.kernel.types.TimestampNTZType;
import io.delta.kernel.types.TimestampType;
import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.api.ValidationException;

/** Partition values as Delta Kernel wants them, and the directory that they lie in. */
public final class PartitionLiterals {

    private final List<StructField> columns;

    /** @throws ValidationException when a partition column does not exist or has a type that cannot partition */
    public PartitionLiterals(StructType schema, List<String> partitionColumns) {
        this.columns = partitionColumns.stream()
                .map(name -> partitionColumn(schema, name))
                .toList();
    }

    private static StructField partitionColumn(StructType schema, String name) {
        if (schema.indexOf(name) < 0) {
            throw new ValidationException(
                    "Partition column '%s' is not a column; there are %s.".formatted(name, schema.fieldNames()));
        }
        StructField field = schema.get(name);
        DataType type = field.getDataType();
        if (type instanceof BinaryType || !(type instanceof BasePrimitiveType || type instanceof DecimalType)) {
            throw new ValidationException(
                    ("Partition column '%s' is %s; a table can be partitioned by numbers, strings, booleans, dates and"
                                    + " timestamps.")
                            .formatted(name, type));
        }
        return field;
    }

    /**
     * Turns an empty string into null, because that is how every Delta reader reads it back.
     *
     * @throws IllegalArgumentException when a column that is NOT NULL has no value
     */
    public void normalize(Object[] values) {
        for (int i = 0; i < values.length; i++) {
            if ("".equals(values[i])) {
                values[i] = null;
            }
            if (values[i] == null && !columns.get(i).isNullable()) {
                throw new IllegalArgumentException(("Partition column '%s' is NOT NULL, but a row has no value for it,"
                                + " or the empty string, which Delta cannot tell from null.")
                        .formatted(columns.get(i).getName()));
            }
        }
    }

    public Map<String, Literal> literals(List<Object> values) {
        Map<String, Literal> literals = new LinkedHashMap<>();
        for (int i = 0; i < columns.size(); i++) {
            StructField column = columns.get(i);
            literals.put(column.getName(), literal(column.getDataType(), values.get(i)));
        }
        return literals;
    }

    /** Hive's layout, {@code column=value/}, escaped as Spark and Hive do it. Readers go by the log, not by this. */
    public String directory(String root, List<Object> values) {
        List<String> names = columns.stream().map(StructField::getName).toList();
        return PartitionUtils.getTargetDirectory(root, names, literals(values));
    }

    private static Literal literal(DataType type, Object value) {
        if (value == null) return Literal.ofNull(type);
        if (type instanceof BooleanType) return Literal.ofBoolean((Boolean) value);
        if (type instanceof ByteType) return Literal.ofByte((Byte) value);
        if (type instanceof ShortType) return Literal.ofShort((Short) value);
        if (type instanceof IntegerType) return Literal.ofInt((Integer) value);
        if (type instanceof LongType) return Literal.ofLong((Long) value);
        if (type instanceof FloatType) return Literal.ofFloat((Float) value);
        if (type instanceof DoubleType) return Literal.ofDouble((Double) value);
        if (type instanceof DateType) return Literal.ofDate((Integer) value);
        if (type instanceof TimestampType) return Literal.ofTimestamp((Long) value);
        if (type instanceof TimestampNTZType) return Literal.ofTimestampNtz((Long) value);
        if (type instanceof StringType) return Literal.ofString((String) value);
        DecimalType decimal = (DecimalType) type;
        return Literal.ofDecimal((BigDecimal) value, decimal.getPrecision(), decimal.getScale());
    }
}
