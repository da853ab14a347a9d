package io.lakehouse.flink.jobs.events;

import io.lakehouse.events.EventSchema;
import io.lakehouse.events.EventType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.flink.table.types.logical.BigIntType;
import org.apache.flink.table.types.logical.BooleanType;
import org.apache.flink.table.types.logical.DateType;
import org.apache.flink.table.types.logical.DoubleType;
import org.apache.flink.table.types.logical.IntType;
import org.apache.flink.table.types.logical.LocalZonedTimestampType;
import org.apache.flink.table.types.logical.LogicalType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.table.types.logical.RowType.RowField;
import org.apache.flink.table.types.logical.VarBinaryType;
import org.apache.flink.table.types.logical.VarCharType;

/** The columns of a contract's tables, as {@code lakehouse.contracts.columns} declares them for both engines. */
public final class TableColumns {
    private static final LogicalType STRING = new VarCharType(VarCharType.MAX_LENGTH);
    private static final LogicalType BINARY = new VarBinaryType(VarBinaryType.MAX_LENGTH);
    private static final LogicalType TIMESTAMP = new LocalZonedTimestampType(6);

    private static final List<RowField> COORDINATES = List.of(
            new RowField("kafka_topic", STRING),
            new RowField("kafka_partition", new IntType()),
            new RowField("kafka_offset", new BigIntType()),
            new RowField("kafka_timestamp", TIMESTAMP),
            new RowField("ingested_at", TIMESTAMP));
    private static final List<RowField> REJECTED =
            List.of(new RowField("raw_key", BINARY), new RowField("raw_value", BINARY), new RowField("reason", STRING));
    /** The others are mostly different from row to row; as under Spark, zstd makes them as small without a dictionary. */
    private static final Set<String> REPEATING = Set.of("kafka_topic", "kafka_partition");

    private TableColumns() {}

    /** The declared columns, then the coordinates. */
    public static RowType ofEvents(EventSchema schema) {
        List<RowField> fields = new ArrayList<>(declared(schema).getFields());
        fields.addAll(COORDINATES);
        return new RowType(false, fields);
    }

    /** The declared columns. */
    public static RowType declared(EventSchema schema) {
        List<RowField> fields = new ArrayList<>();
        for (int i = 0; i < schema.size(); i++) {
            fields.add(new RowField(schema.name(i), type(schema.type(i)).copy(!schema.required(i))));
        }
        return new RowType(false, fields);
    }

    /** The columns of a quarantine table. */
    public static RowType ofRejected() {
        List<RowField> fields = new ArrayList<>(COORDINATES);
        fields.addAll(REJECTED);
        return new RowType(false, fields);
    }

    /** The columns that are cheaper to write without a dictionary. */
    public static Set<String> plain(RowType columns) {
        return columns.getFieldNames().stream()
                .filter(name -> !REPEATING.contains(name))
                .collect(Collectors.toUnmodifiableSet());
    }

    private static LogicalType type(EventType type) {
        return switch (type) {
            case STRING -> STRING;
            case BOOLEAN -> new BooleanType();
            case INT -> new IntType();
            case BIGINT -> new BigIntType();
            case DOUBLE -> new DoubleType();
            case DATE -> new DateType();
            case TIMESTAMP -> TIMESTAMP;
        };
    }
}
