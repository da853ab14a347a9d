package io.lakehouse.flink.jobs.ingestion;

import io.lakehouse.events.EventParser;
import io.lakehouse.events.EventSchema;
import io.lakehouse.events.ParsedEvent;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.contract.OnInvalid;
import io.lakehouse.flink.jobs.events.KafkaMessage;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.metrics.Counter;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;

/**
 * Parses each message once: good ones go on with their event, the others as the contract says.
 *
 * <p>{@code eventsRejected} counts what was invalid, whatever becomes of it.
 */
final class EventRouter extends ProcessFunction<KafkaMessage, KafkaMessage> {
    static final OutputTag<KafkaMessage> REJECTED = new OutputTag<>("rejected", TypeInformation.of(KafkaMessage.class));

    private final String table;
    private final String columns;
    private final OnInvalid onInvalid;
    private final HashMap<Integer, Long> quarantined;
    private transient EventParser parser;
    private transient Counter rejected;

    EventRouter(Contract contract, Map<Integer, Long> quarantined) {
        this.quarantined = new HashMap<>(quarantined);
        table = contract.table();
        columns = contract.columns();
        onInvalid = contract.onInvalid();
    }

    @Override
    public void open(OpenContext context) {
        parser = new EventParser(EventSchema.fromJson(columns));
        rejected = getRuntimeContext().getMetricGroup().counter("eventsRejected");
    }

    @Override
    public void processElement(KafkaMessage message, Context context, Collector<KafkaMessage> out) {
        ParsedEvent event = parser.parse(message.value);
        message.setEvent(event);
        if (event.reason() == null) {
            out.collect(message);
            return;
        }
        rejected.inc();
        switch (onInvalid) {
            case QUARANTINE -> {
                if (message.offset >= quarantined.getOrDefault(message.partition, 0L)) {
                    context.output(REJECTED, message);
                }
            }
            case FAIL -> throw new InvalidEventException(table, message);
            case DROP -> {}
        }
    }
}
