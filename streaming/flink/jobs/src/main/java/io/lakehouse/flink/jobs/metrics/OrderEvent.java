package io.lakehouse.flink.jobs.metrics;

import io.lakehouse.flink.jobs.events.KafkaMessage;
import javax.annotation.Nullable;

/** What the aggregation reads of an order event, and the message that it came in: a POJO of Flink. */
public final class OrderEvent {
    @Nullable
    public String status;

    public long amountCents;

    /** Milliseconds since 1970-01-01T00:00:00Z. */
    public long eventTime;

    public KafkaMessage message = new KafkaMessage();
}
