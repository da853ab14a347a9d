package io.lakehouse.flink.delta.internal.rowdata;

import io.lakehouse.flink.delta.RecordEncoder;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;

/** Reads one partition column of a row as the Java object that {@link RecordEncoder#partition} names for its type. */
interface PartitionValue {

    /** @return null where the row has no value */
    Object of(RowData row);

    static PartitionValue of(RowType rowType, String column) {
        int position = rowType.getFieldIndex(column);
        LogicalType type = rowType.getTypeAt(position);
        RowData.FieldGetter getter = RowData.createFieldGetter(type, position);
        return switch (type.getTypeRoot()) {
            case CHAR, VARCHAR ->
                row -> {
                    Object value = getter.getFieldOrNull(row);
                    return value == null ? null : value.toString();
                };
            case DECIMAL ->
                row -> {
                    DecimalData value = (DecimalData) getter.getFieldOrNull(row);
                    return value == null ? null : value.toBigDecimal();
                };
            case TIMESTAMP_WITHOUT_TIME_ZONE, TIMESTAMP_WITH_LOCAL_TIME_ZONE ->
                row -> {
                    TimestampData value = (TimestampData) getter.getFieldOrNull(row);
                    return value == null ? null : (Object) ValueEncoder.micros(value);
                };
            default -> getter::getFieldOrNull;
        };
    }
}
