package io.lakehouse.flink.jobs.events;

import io.lakehouse.events.ParsedEvent;
import javax.annotation.Nullable;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * One message of Kafka, its coordinates, and its event once it was parsed.
 *
 * <p>A POJO of Flink: what is public goes over the network. The event does not, it is parsed again where it is needed.
 * Between chained operators with object reuse the message itself is passed on, and so is its event. Time is in
 * microseconds since 1970-01-01T00:00:00Z.
 */
public final class KafkaMessage {
    public String topic;
    public int partition;
    public long offset;
    public long timestamp;
    public long ingestedAt;

    @Nullable
    public byte[] key;

    @Nullable
    public byte[] value;

    @Nullable
    private transient ParsedEvent event;

    /** Takes the values of a message that was read at {@code ingestedAt}. */
    public void set(ConsumerRecord<byte[], byte[]> read, long readAt) {
        topic = read.topic();
        partition = read.partition();
        offset = read.offset();
        timestamp = read.timestamp() * 1000;
        ingestedAt = readAt;
        key = read.key();
        value = read.value();
        event = null;
    }

    /** The event of the value, null where it was not parsed since the message came here. */
    @Nullable
    public ParsedEvent event() {
        return event;
    }

    public void setEvent(ParsedEvent event) {
        this.event = event;
    }
}
