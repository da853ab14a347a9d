package io.lakehouse.flink.delta.internal.rowdata;

import io.lakehouse.flink.delta.RecordEncoder;
import java.util.List;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.types.RowKind;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;

/** Encodes Flink's internal rows: the encoder of SQL, and of {@code DataStream<RowData>}. */
public final class RowDataEncoder implements RecordEncoder<RowData> {

    private final RowType rowType;
    private final List<String> partitionColumns;
    private transient FieldEncoder[] columns;
    private transient PartitionValue[] partitionValues;

    public RowDataEncoder(RowType rowType, List<String> partitionColumns) {
        this.rowType = rowType;
        this.partitionColumns = List.copyOf(partitionColumns);
    }

    @Override
    public void open(MessageType stored) {
        columns = new FieldEncoder[stored.getFieldCount()];
        for (int i = 0; i < columns.length; i++) {
            String name = stored.getFieldName(i);
            int position = rowType.getFieldIndex(name);
            columns[i] = new FieldEncoder(name, i, position, rowType.getTypeAt(position));
        }
        partitionValues = partitionColumns.stream()
                .map(name -> PartitionValue.of(rowType, name))
                .toArray(PartitionValue[]::new);
    }

    @Override
    public void partition(RowData row, Object[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = partitionValues[i].of(row);
        }
    }

    @Override
    public void encode(RowData row, RecordConsumer consumer) {
        if (row.getRowKind() != RowKind.INSERT) {
            throw new IllegalArgumentException(
                    ("The Delta sink only appends, but got a row of kind %s. Turn the changelog into"
                                    + " inserts before the sink, or keep only its inserts.")
                            .formatted(row.getRowKind()));
        }
        for (FieldEncoder column : columns) {
            column.encode(row, consumer);
        }
    }
}
