package io.lakehouse.flink.jobs.format;

import io.lakehouse.events.EventSchema;
import io.lakehouse.events.ParsedEvent;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/** The value of one column of an event as Flink's rows hold it. */
interface FieldReader {
    long MICROS_PER_MILLI = 1000;
    int NANOS_PER_MICRO = 1000;

    Object read(ParsedEvent event);

    /** A reader of the column {@code name}, which has to be one of the {@code schema}. */
    static FieldReader of(EventSchema schema, String name) {
        int column = 0;
        while (!schema.name(column).equals(name)) {
            column++;
        }
        int at = column;
        FieldReader value =
                switch (schema.type(at)) {
                    case STRING -> event -> StringData.fromBytes(event.bytes(at), event.start(at), event.length(at));
                    case BOOLEAN -> event -> event.longValue(at) == 1;
                    case INT, DATE -> event -> (int) event.longValue(at);
                    case BIGINT -> event -> event.longValue(at);
                    case DOUBLE -> event -> event.doubleValue(at);
                    case TIMESTAMP -> event -> timestamp(event.longValue(at));
                };
        return event -> event.isNull(at) ? null : value.read(event);
    }

    private static TimestampData timestamp(long micros) {
        return TimestampData.fromEpochMillis(
                Math.floorDiv(micros, MICROS_PER_MILLI),
                (int) Math.floorMod(micros, MICROS_PER_MILLI) * NANOS_PER_MICRO);
    }
}
