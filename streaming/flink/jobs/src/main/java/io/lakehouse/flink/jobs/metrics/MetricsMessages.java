package io.lakehouse.flink.jobs.metrics;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Window metrics as messages: JSON with the columns of the table. The key is the window and its status, so that the
 * versions of a window are in one partition, in order.
 */
public final class MetricsMessages implements KafkaRecordSerializationSchema<WindowMetrics> {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final String topic;

    public MetricsMessages(String topic) {
        this.topic = topic;
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(WindowMetrics metrics, KafkaSinkContext context, Long windowEnd) {
        ObjectNode key = MAPPER.createObjectNode()
                .put("window_start", iso(metrics.windowStart))
                .put("status", metrics.status);
        ObjectNode value = MAPPER.createObjectNode()
                .put("window_start", iso(metrics.windowStart))
                .put("window_end", iso(metrics.windowEnd))
                .put("status", metrics.status)
                .put("order_count", metrics.orderCount)
                .put("total_amount_cents", metrics.totalAmountCents)
                .put("average_amount_cents", metrics.averageAmountCents)
                .put("max_amount_cents", metrics.maxAmountCents)
                .put("emitted_at", iso(metrics.emittedAt));
        return new ProducerRecord<>(topic, bytes(key), bytes(value));
    }

    private static byte[] bytes(ObjectNode json) {
        try {
            return MAPPER.writeValueAsBytes(json);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException("a tree of plain values is always JSON", error);
        }
    }

    private static String iso(long micros) {
        return Instant.EPOCH.plus(micros, ChronoUnit.MICROS).toString();
    }
}
