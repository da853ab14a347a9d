package io.lakehouse.flink.jobs.events;

import io.lakehouse.events.EventParser;
import io.lakehouse.events.EventSchema;
import io.lakehouse.events.ParsedEvent;
import io.lakehouse.flink.delta.RecordEncoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;

/**
 * Writes messages straight into the Parquet columns of a contract's table or of its quarantine table, by the names of the
 * columns: no row is made in between, and strings stay ranges of the message's bytes.
 */
public final class MessageEncoder implements RecordEncoder<KafkaMessage> {
    private final String schemaJson;
    private final List<String> partitionColumns;
    private transient EventSchema schema;
    private transient EventParser parser;
    private transient ColumnWriter[] writers;
    private transient int[] partitions;

    /**
     * @param schemaJson the contract's columns
     * @param partitionColumns those of the table that is written, in its order
     */
    public MessageEncoder(String schemaJson, List<String> partitionColumns) {
        this.schemaJson = schemaJson;
        this.partitionColumns = List.copyOf(partitionColumns);
    }

    @Override
    public void open(MessageType columns) {
        schema = EventSchema.fromJson(schemaJson);
        parser = new EventParser(schema);
        writers = new ColumnWriter[columns.getFieldCount()];
        for (int i = 0; i < writers.length; i++) {
            writers[i] = ColumnWriter.of(columns.getFieldName(i), i, schema);
        }
        partitions = partitionColumns.stream()
                .mapToInt(column -> ColumnWriter.indexOf(schema, column))
                .toArray();
    }

    @Override
    public void partition(KafkaMessage message, Object[] values) {
        ParsedEvent event = parsed(message);
        for (int i = 0; i < values.length; i++) {
            values[i] = event.isNull(partitions[i]) ? null : value(event, partitions[i]);
        }
    }

    @Override
    public void encode(KafkaMessage message, RecordConsumer columns) {
        ParsedEvent event = parsed(message);
        for (ColumnWriter writer : writers) {
            writer.write(message, event, columns);
        }
    }

    /** A message that came over the network left its event behind. */
    private ParsedEvent parsed(KafkaMessage message) {
        if (message.event() == null) {
            message.setEvent(parser.parse(message.value));
        }
        return message.event();
    }

    private Object value(ParsedEvent event, int column) {
        return switch (schema.type(column)) {
            case STRING ->
                new String(event.bytes(column), event.start(column), event.length(column), StandardCharsets.UTF_8);
            case BOOLEAN -> event.longValue(column) == 1;
            case INT, DATE -> (int) event.longValue(column);
            case BIGINT, TIMESTAMP -> event.longValue(column);
            case DOUBLE -> event.doubleValue(column);
        };
    }
}
