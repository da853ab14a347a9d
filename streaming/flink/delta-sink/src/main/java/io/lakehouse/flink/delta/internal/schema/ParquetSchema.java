package io.lakehouse.flink.delta.internal.schema;

import static org.apache.parquet.schema.LogicalTypeAnnotation.dateType;
import static org.apache.parquet.schema.LogicalTypeAnnotation.decimalType;
import static org.apache.parquet.schema.LogicalTypeAnnotation.intType;
import static org.apache.parquet.schema.LogicalTypeAnnotation.stringType;
import static org.apache.parquet.schema.LogicalTypeAnnotation.timestampType;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.BINARY;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.BOOLEAN;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.DOUBLE;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.FIXED_LEN_BYTE_ARRAY;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.FLOAT;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.INT32;
import static org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName.INT64;

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
import io.delta.kernel.types.StructType;
import io.delta.kernel.types.TimestampNTZType;
import io.delta.kernel.types.TimestampType;
import java.math.BigInteger;
import org.apache.parquet.schema.GroupType;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimeUnit;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.apache.parquet.schema.Type.Repetition;
import org.apache.parquet.schema.Types;

/**
 * Delta types as Parquet types, in the form that Spark and Delta Kernel write: three-level lists, decimals in the
 * smallest physical type, timestamps as 64-bit microseconds.
 */
public final class ParquetSchema {

    /** Digits that fit a 32-bit and a 64-bit integer. */
    public static final int MAX_INT_DIGITS = 9;

    public static final int MAX_LONG_DIGITS = 18;

    private ParquetSchema() {}

    public static MessageType of(StructType schema) {
        Type[] fields = schema.fields().stream()
                .map(field -> type(field.getDataType(), field.isNullable(), field.getName()))
                .toArray(Type[]::new);
        return new MessageType("delta", fields);
    }

    /** Bytes that hold every unscaled value of that many digits in two's complement. */
    public static int decimalBytes(int precision) {
        return BigInteger.TEN.pow(precision).bitLength() / 8 + 1;
    }

    private static Type type(DataType type, boolean nullable, String name) {
        Repetition repetition = nullable ? Repetition.OPTIONAL : Repetition.REQUIRED;
        if (type instanceof StructType struct) {
            Types.GroupBuilder<GroupType> group = Types.buildGroup(repetition);
            struct.fields().forEach(f -> group.addField(type(f.getDataType(), f.isNullable(), f.getName())));
            return group.named(name);
        }
        if (type instanceof ArrayType array) {
            return Types.list(repetition)
                    .element(type(array.getElementType(), array.containsNull(), "element"))
                    .named(name);
        }
        if (type instanceof MapType map) {
            return Types.map(repetition)
                    .key(type(map.getKeyType(), false, "key"))
                    .value(type(map.getValueType(), map.isValueContainsNull(), "value"))
                    .named(name);
        }
        return primitive(type, repetition).named(name);
    }

    private static Types.PrimitiveBuilder<PrimitiveType> primitive(DataType type, Repetition repetition) {
        if (type instanceof DecimalType decimal) {
            return decimal(decimal, repetition);
        }
        if (type instanceof BooleanType) return Types.primitive(BOOLEAN, repetition);
        if (type instanceof ByteType) return Types.primitive(INT32, repetition).as(intType(8, true));
        if (type instanceof ShortType) return Types.primitive(INT32, repetition).as(intType(16, true));
        if (type instanceof IntegerType) return Types.primitive(INT32, repetition);
        if (type instanceof LongType) return Types.primitive(INT64, repetition);
        if (type instanceof FloatType) return Types.primitive(FLOAT, repetition);
        if (type instanceof DoubleType) return Types.primitive(DOUBLE, repetition);
        if (type instanceof DateType) return Types.primitive(INT32, repetition).as(dateType());
        if (type instanceof StringType)
            return Types.primitive(BINARY, repetition).as(stringType());
        if (type instanceof BinaryType) return Types.primitive(BINARY, repetition);
        if (type instanceof TimestampType) return timestamp(repetition, true);
        if (type instanceof TimestampNTZType) return timestamp(repetition, false);
        throw new IllegalArgumentException("Delta type " + type + " is not one that the sink writes");
    }

    private static Types.PrimitiveBuilder<PrimitiveType> timestamp(Repetition repetition, boolean adjustedToUtc) {
        return Types.primitive(INT64, repetition).as(timestampType(adjustedToUtc, TimeUnit.MICROS));
    }

    private static Types.PrimitiveBuilder<PrimitiveType> decimal(DecimalType type, Repetition repetition) {
        int precision = type.getPrecision();
        PrimitiveTypeName physical =
                precision <= MAX_INT_DIGITS ? INT32 : precision <= MAX_LONG_DIGITS ? INT64 : FIXED_LEN_BYTE_ARRAY;
        Types.PrimitiveBuilder<PrimitiveType> builder =
                Types.primitive(physical, repetition).as(decimalType(type.getScale(), precision));
        return physical == FIXED_LEN_BYTE_ARRAY ? builder.length(decimalBytes(precision)) : builder;
    }
}
