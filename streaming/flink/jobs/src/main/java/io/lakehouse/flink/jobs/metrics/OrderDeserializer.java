package io.lakehouse.flink.jobs.metrics;

import io.lakehouse.events.EventParser;
import io.lakehouse.events.EventSchema;
import io.lakehouse.events.EventType;
import io.lakehouse.events.ParsedEvent;
import io.lakehouse.flink.jobs.contract.Contract;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.serialization.DeserializationSchema.InitializationContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.metrics.Counter;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Messages to order events, each in the same object. They are parsed in the source, because a watermark for each Kafka
 * partition needs the time of the event there.
 *
 * <p>What is invalid is counted ({@code eventsRejected}) and left out: the table of the events themselves has it in
 * quarantine.
 */
public final class OrderDeserializer implements KafkaRecordDeserializationSchema<OrderEvent> {
    private final String columns;
    private final int status;
    private final int amount;
    private final int eventTime;
    private transient EventParser parser;
    private transient OrderEvent order;
    private transient Counter rejected;

    /** @throws IllegalArgumentException when the events of the contract have no such columns as orders have */
    public OrderDeserializer(Contract contract) {
        columns = contract.source().columns();
        EventSchema schema = EventSchema.fromJson(columns);
        status = column(contract, schema, "status", EventType.STRING);
        amount = column(contract, schema, "amount_cents", EventType.BIGINT);
        eventTime = column(contract, schema, contract.source().eventTime(), EventType.TIMESTAMP);
    }

    @Override
    public void open(InitializationContext context) {
        parser = new EventParser(EventSchema.fromJson(columns));
        order = new OrderEvent();
        rejected = context.getMetricGroup().counter("eventsRejected");
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> read, Collector<OrderEvent> out) {
        ParsedEvent event = parser.parse(read.value());
        if (event.reason() != null) {
            rejected.inc();
            return;
        }
        order.status = event.isNull(status)
                ? null
                : new String(event.bytes(status), event.start(status), event.length(status), StandardCharsets.UTF_8);
        order.amountCents = event.longValue(amount);
        order.eventTime = Math.floorDiv(event.longValue(eventTime), 1000L);
        order.message.set(read, System.currentTimeMillis() * 1000);
        out.collect(order);
    }

    @Override
    public TypeInformation<OrderEvent> getProducedType() {
        return TypeInformation.of(OrderEvent.class);
    }

    private static int column(Contract contract, EventSchema schema, String name, EventType type) {
        for (int i = 0; i < schema.size(); i++) {
            if (schema.name(i).equals(name) && schema.type(i) == type) {
                return i;
            }
        }
        throw new IllegalArgumentException("The events of %s have no column %s of type %s, which order metrics need"
                .formatted(contract.table(), name, type.contractName()));
    }
}
