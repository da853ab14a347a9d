package io.lakehouse.flink.delta.internal.rowdata;

import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.TimestampType;
import org.apache.parquet.io.api.RecordConsumer;

/**
 * One field of a row: reads it by position and writes it under its Parquet index.
 *
 * <p>Numbers, booleans and strings, which most fields are, are read without boxing; the rest goes through {@link
 * ValueEncoder}.
 */
final class FieldEncoder {

    private interface Reader {
        void copy(RowData row, RecordConsumer consumer);
    }

    private final String name;
    private final int index;
    private final int position;
    private final boolean nullable;
    private final Reader reader;

    FieldEncoder(String name, int index, int position, LogicalType type) {
        this.name = name;
        this.index = index;
        this.position = position;
        this.nullable = type.isNullable();
        this.reader = reader(type, position);
    }

    void encode(RowData row, RecordConsumer consumer) {
        if (row.isNullAt(position)) {
            if (!nullable) {
                // Parquet would not notice: the column would be short of a value, and every later row misread.
                throw new IllegalArgumentException(
                        "Column '%s' is NOT NULL, but a row has no value for it. Filter such rows or divert them before the sink, or declare the column nullable."
                                .formatted(name));
            }
            return;
        }
        consumer.startField(name, index);
        reader.copy(row, consumer);
        consumer.endField(name, index);
    }

    private static Reader reader(LogicalType type, int at) {
        return switch (type.getTypeRoot()) {
            case BOOLEAN -> (row, out) -> out.addBoolean(row.getBoolean(at));
            case TINYINT -> (row, out) -> out.addInteger(row.getByte(at));
            case SMALLINT -> (row, out) -> out.addInteger(row.getShort(at));
            case INTEGER, DATE -> (row, out) -> out.addInteger(row.getInt(at));
            case BIGINT -> (row, out) -> out.addLong(row.getLong(at));
            case FLOAT -> (row, out) -> out.addFloat(row.getFloat(at));
            case DOUBLE -> (row, out) -> out.addDouble(row.getDouble(at));
            case CHAR, VARCHAR -> (row, out) -> out.addBinary(ValueEncoder.binary(row.getString(at)));
            case TIMESTAMP_WITHOUT_TIME_ZONE -> {
                int precision = ((TimestampType) type).getPrecision();
                yield (row, out) -> out.addLong(ValueEncoder.micros(row.getTimestamp(at, precision)));
            }
            default -> {
                RowData.FieldGetter getter = RowData.createFieldGetter(type, at);
                ValueEncoder value = ValueEncoder.of(type);
                yield (row, out) -> value.encode(getter.getFieldOrNull(row), out);
            }
        };
    }
}
