package io.lakehouse.flink.jobs.format;

import io.lakehouse.events.EventParser;
import io.lakehouse.events.EventSchema;
import io.lakehouse.events.ParsedEvent;
import java.util.List;
import javax.annotation.Nullable;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.metrics.Counter;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;

/**
 * Messages to rows; null for an invalid one, which is counted.
 *
 * <p>Each message has a row of its own, so operators may keep it when objects are reused. Its strings are parts of the
 * message's bytes, which Kafka's consumer gives each message anew.
 */
final class EventRowDeserializer implements DeserializationSchema<RowData> {
    private final String columns;
    private final List<String> wanted;
    private final TypeInformation<RowData> type;
    private transient EventParser parser;
    private transient FieldReader[] readers;
    private transient Counter rejected;

    /**
     * @param columns the contract's columns as JSON
     * @param wanted names of the columns that rows have
     */
    EventRowDeserializer(String columns, List<String> wanted, TypeInformation<RowData> type) {
        this.columns = columns;
        this.wanted = List.copyOf(wanted);
        this.type = type;
    }

    @Override
    public void open(InitializationContext context) {
        EventSchema schema = EventSchema.fromJson(columns);
        parser = new EventParser(schema);
        readers = wanted.stream().map(name -> FieldReader.of(schema, name)).toArray(FieldReader[]::new);
        rejected = context.getMetricGroup().counter("eventsRejected");
    }

    @Override
    @Nullable
    public RowData deserialize(@Nullable byte[] message) {
        ParsedEvent event = parser.parse(message);
        if (event.reason() != null) {
            rejected.inc();
            return null;
        }
        GenericRowData row = new GenericRowData(readers.length);
        for (int i = 0; i < readers.length; i++) {
            row.setField(i, readers[i].read(event));
        }
        return row;
    }

    @Override
    public boolean isEndOfStream(RowData next) {
        return false;
    }

    @Override
    public TypeInformation<RowData> getProducedType() {
        return type;
    }
}
