package io.lakehouse.flink.jobs.metrics;

import io.lakehouse.flink.delta.RecordEncoder;
import java.util.List;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;

/** Writes window metrics into the Parquet columns of their table. */
public final class MetricsEncoder implements RecordEncoder<WindowMetrics> {
    private static final DataType TIME = DataTypes.TIMESTAMP_LTZ(6).notNull();
    private static final DataType NUMBER = DataTypes.BIGINT().notNull();

    /** Columns of the table. */
    public static final RowType COLUMNS = (RowType) DataTypes.ROW(
                    DataTypes.FIELD("window_start", TIME),
                    DataTypes.FIELD("window_end", TIME),
                    DataTypes.FIELD("status", DataTypes.STRING()),
                    DataTypes.FIELD("order_count", NUMBER),
                    DataTypes.FIELD("total_amount_cents", DataTypes.BIGINT()),
                    DataTypes.FIELD("average_amount_cents", DataTypes.DOUBLE()),
                    DataTypes.FIELD("max_amount_cents", NUMBER),
                    DataTypes.FIELD("emitted_at", TIME))
            .getLogicalType();

    private final List<String> partitionColumns;
    private transient MessageType columns;

    /** @param partitionColumns those of the table, in its order */
    public MetricsEncoder(List<String> partitionColumns) {
        this.partitionColumns = List.copyOf(partitionColumns);
    }

    @Override
    public void open(MessageType stored) {
        columns = stored;
    }

    @Override
    public void partition(WindowMetrics metrics, Object[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = value(metrics, partitionColumns.get(i));
        }
    }

    @Override
    public void encode(WindowMetrics metrics, RecordConsumer out) {
        for (int i = 0; i < columns.getFieldCount(); i++) {
            String name = columns.getFieldName(i);
            Object value = value(metrics, name);
            if (value != null) {
                out.startField(name, i);
                add(value, out);
                out.endField(name, i);
            }
        }
    }

    /** Boxed, which costs nothing that counts: windows are few. */
    private static Object value(WindowMetrics metrics, String column) {
        return switch (column) {
            case "window_start" -> metrics.windowStart;
            case "window_end" -> metrics.windowEnd;
            case "status" -> metrics.status;
            case "order_count" -> metrics.orderCount;
            case "total_amount_cents" -> metrics.totalAmountCents;
            case "average_amount_cents" -> metrics.averageAmountCents;
            case "max_amount_cents" -> metrics.maxAmountCents;
            case "emitted_at" -> metrics.emittedAt;
            default -> throw new IllegalArgumentException("order metrics have no column " + column);
        };
    }

    private static void add(Object value, RecordConsumer out) {
        if (value instanceof String text) {
            out.addBinary(Binary.fromString(text));
        } else if (value instanceof Double number) {
            out.addDouble(number);
        } else {
            out.addLong((Long) value);
        }
    }
}
