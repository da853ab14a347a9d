package io.lakehouse.flink.delta.internal.rowdata;

import io.lakehouse.flink.delta.internal.schema.ParquetSchema;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.table.data.ArrayData;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.MapData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.data.binary.BinaryStringData;
import org.apache.flink.table.types.logical.DecimalType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.MultisetType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;

/** Writes one value, which is not null, in Flink's internal representation; nested values recursively. */
interface ValueEncoder {

    void encode(Object value, RecordConsumer out);

    static ValueEncoder of(LogicalType type) {
        return switch (type.getTypeRoot()) {
            case BOOLEAN -> (value, out) -> out.addBoolean((Boolean) value);
            case TINYINT, SMALLINT, INTEGER, DATE -> (value, out) -> out.addInteger(((Number) value).intValue());
            case BIGINT -> (value, out) -> out.addLong((Long) value);
            case FLOAT -> (value, out) -> out.addFloat((Float) value);
            case DOUBLE -> (value, out) -> out.addDouble((Double) value);
            case CHAR, VARCHAR -> (value, out) -> out.addBinary(binary((StringData) value));
            case BINARY, VARBINARY -> (value, out) -> out.addBinary(Binary.fromReusedByteArray((byte[]) value));
            case DECIMAL -> decimal((DecimalType) type);
            case TIMESTAMP_WITHOUT_TIME_ZONE, TIMESTAMP_WITH_LOCAL_TIME_ZONE ->
                (value, out) -> out.addLong(micros((TimestampData) value));
            case ARRAY -> array(type.getChildren().get(0));
            case MAP -> map(type.getChildren().get(0), type.getChildren().get(1));
            case MULTISET -> map(((MultisetType) type).getElementType(), new IntType(false));
            case ROW -> row((RowType) type);
            default -> throw new IllegalArgumentException("Type " + type + " is not one that the sink writes");
        };
    }

    /** The string's bytes without a copy where they lie in one piece; Parquet copies what it keeps. */
    static Binary binary(StringData value) {
        BinaryStringData string = (BinaryStringData) value;
        string.ensureMaterialized();
        MemorySegment[] segments = string.getSegments();
        if (segments.length == 1 && !segments[0].isOffHeap()) {
            return Binary.fromReusedByteArray(segments[0].getArray(), string.getOffset(), string.getSizeInBytes());
        }
        return Binary.fromConstantByteArray(string.toBytes());
    }

    /** Microseconds since the epoch, which is all that Delta stores; finer digits are cut off, towards the past. */
    static long micros(TimestampData value) {
        return Math.addExact(Math.multiplyExact(value.getMillisecond(), 1000L), value.getNanoOfMillisecond() / 1000);
    }

    private static ValueEncoder decimal(DecimalType type) {
        if (type.getPrecision() <= ParquetSchema.MAX_INT_DIGITS) {
            return (value, out) -> out.addInteger((int) ((DecimalData) value).toUnscaledLong());
        }
        if (type.getPrecision() <= ParquetSchema.MAX_LONG_DIGITS) {
            return (value, out) -> out.addLong(((DecimalData) value).toUnscaledLong());
        }
        int length = ParquetSchema.decimalBytes(type.getPrecision());
        return (value, out) ->
                out.addBinary(Binary.fromConstantByteArray(padded(((DecimalData) value).toUnscaledBytes(), length)));
    }

    /** A big-endian two's complement number at a fixed length. */
    private static byte[] padded(byte[] unscaled, int length) {
        byte[] bytes = new byte[length];
        Arrays.fill(bytes, 0, length - unscaled.length, (byte) (unscaled[0] < 0 ? -1 : 0));
        System.arraycopy(unscaled, 0, bytes, length - unscaled.length, unscaled.length);
        return bytes;
    }

    private static ValueEncoder array(LogicalType elementType) {
        ArrayData.ElementGetter getter = ArrayData.createElementGetter(elementType);
        ValueEncoder element = of(elementType);
        return (value, out) -> {
            ArrayData array = (ArrayData) value;
            out.startGroup();
            if (array.size() > 0) {
                out.startField("list", 0);
                for (int i = 0; i < array.size(); i++) {
                    out.startGroup();
                    field(out, "element", 0, element, getter.getElementOrNull(array, i), elementType.isNullable());
                    out.endGroup();
                }
                out.endField("list", 0);
            }
            out.endGroup();
        };
    }

    private static ValueEncoder map(LogicalType keyType, LogicalType valueType) {
        ArrayData.ElementGetter keys = ArrayData.createElementGetter(keyType);
        ArrayData.ElementGetter values = ArrayData.createElementGetter(valueType);
        ValueEncoder key = of(keyType);
        ValueEncoder value = of(valueType);
        return (object, out) -> {
            MapData map = (MapData) object;
            out.startGroup();
            if (map.size() > 0) {
                out.startField("key_value", 0);
                for (int i = 0; i < map.size(); i++) {
                    out.startGroup();
                    field(out, "key", 0, key, keys.getElementOrNull(map.keyArray(), i), false);
                    field(out, "value", 1, value, values.getElementOrNull(map.valueArray(), i), valueType.isNullable());
                    out.endGroup();
                }
                out.endField("key_value", 0);
            }
            out.endGroup();
        };
    }

    private static void field(
            RecordConsumer out, String name, int index, ValueEncoder encoder, Object value, boolean nullable) {
        if (value != null) {
            out.startField(name, index);
            encoder.encode(value, out);
            out.endField(name, index);
        } else if (!nullable) {
            throw new IllegalArgumentException(
                    "A map or array has no %s where one is required. Filter such rows or divert them before the sink."
                            .formatted(name));
        }
    }

    private static ValueEncoder row(RowType type) {
        List<RowType.RowField> declared = type.getFields();
        FieldEncoder[] fields = new FieldEncoder[declared.size()];
        for (int i = 0; i < fields.length; i++) {
            fields[i] = new FieldEncoder(
                    declared.get(i).getName(), i, i, declared.get(i).getType());
        }
        return (value, out) -> {
            out.startGroup();
            for (FieldEncoder field : fields) {
                field.encode((RowData) value, out);
            }
            out.endGroup();
        };
    }
}
