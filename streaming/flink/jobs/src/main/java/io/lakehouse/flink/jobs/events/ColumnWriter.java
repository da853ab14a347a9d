package io.lakehouse.flink.jobs.events;

import io.lakehouse.events.EventSchema;
import io.lakehouse.events.ParsedEvent;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;

/** One column of a table: what of a message it holds. A null is left out, as Parquet wants it. */
final class ColumnWriter {

    private interface Value {
        void add(KafkaMessage message, ParsedEvent event, RecordConsumer columns);
    }

    private interface Absence {
        boolean test(KafkaMessage message, ParsedEvent event);
    }

    private static final Absence NEVER = (message, event) -> false;

    private final String name;
    private final int index;
    private final Absence absent;
    private final Value value;

    private ColumnWriter(String name, int index, Absence absent, Value value) {
        this.name = name;
        this.index = index;
        this.absent = absent;
        this.value = value;
    }

    /** The writer of the column {@code name}, which is at {@code index} of the data files. */
    static ColumnWriter of(String name, int index, EventSchema schema) {
        return switch (name) {
            case "kafka_topic" -> new ColumnWriter(name, index, NEVER, (m, e, out) -> out.addBinary(text(m.topic)));
            case "kafka_partition" -> new ColumnWriter(name, index, NEVER, (m, e, out) -> out.addInteger(m.partition));
            case "kafka_offset" -> new ColumnWriter(name, index, NEVER, (m, e, out) -> out.addLong(m.offset));
            case "kafka_timestamp" -> new ColumnWriter(name, index, NEVER, (m, e, out) -> out.addLong(m.timestamp));
            case "ingested_at" -> new ColumnWriter(name, index, NEVER, (m, e, out) -> out.addLong(m.ingestedAt));
            case "raw_key" ->
                new ColumnWriter(name, index, (m, e) -> m.key == null, (m, e, out) -> out.addBinary(bytes(m.key)));
            case "raw_value" ->
                new ColumnWriter(name, index, (m, e) -> m.value == null, (m, e, out) -> out.addBinary(bytes(m.value)));
            case "reason" -> new ColumnWriter(name, index, NEVER, (m, e, out) -> out.addBinary(text(e.reason())));
            default -> declared(name, index, schema, indexOf(schema, name));
        };
    }

    void write(KafkaMessage message, ParsedEvent event, RecordConsumer columns) {
        if (!absent.test(message, event)) {
            columns.startField(name, index);
            value.add(message, event, columns);
            columns.endField(name, index);
        }
    }

    /** Where the contract declares the column {@code name}. */
    static int indexOf(EventSchema schema, String name) {
        for (int i = 0; i < schema.size(); i++) {
            if (schema.name(i).equals(name)) {
                return i;
            }
        }
        throw new IllegalArgumentException("the contract declares no column " + name);
    }

    private static ColumnWriter declared(String name, int index, EventSchema schema, int at) {
        Value value =
                switch (schema.type(at)) {
                    case STRING ->
                        (m, e, out) ->
                                out.addBinary(Binary.fromReusedByteArray(e.bytes(at), e.start(at), e.length(at)));
                    case BOOLEAN -> (m, e, out) -> out.addBoolean(e.longValue(at) == 1);
                    case INT, DATE -> (m, e, out) -> out.addInteger((int) e.longValue(at));
                    case BIGINT, TIMESTAMP -> (m, e, out) -> out.addLong(e.longValue(at));
                    case DOUBLE -> (m, e, out) -> out.addDouble(e.doubleValue(at));
                };
        return new ColumnWriter(name, index, (m, e) -> e.isNull(at), value);
    }

    private static Binary text(String text) {
        return Binary.fromString(text);
    }

    /** Reused, so that Parquet copies what it keeps: a bound of a file must not hold on to the message. */
    private static Binary bytes(byte[] bytes) {
        return Binary.fromReusedByteArray(bytes);
    }
}
