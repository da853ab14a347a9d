package io.lakehouse.flink.jobs;

import io.lakehouse.flink.jobs.events.KafkaMessage;
import io.lakehouse.flink.jobs.events.MessageDeserializer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;
import org.apache.flink.util.function.SerializableFunction;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Messages as a topic would have them, one an offset, from Flink's own source: no broker is needed. */
public final class TestMessages extends RichFlatMapFunction<Long, KafkaMessage> implements CheckpointListener {
    /** Failures that are still to happen, each after a checkpoint was completed. Messages come slowly until then. */
    public static final AtomicInteger FAILURES_LEFT = new AtomicInteger();

    private final SerializableFunction<Long, String> values;
    private transient MessageDeserializer deserializer;
    private boolean checkpointed;

    private TestMessages(SerializableFunction<Long, String> values) {
        this.values = values;
    }

    /** Offsets 0 to {@code count} - 1, with the value that {@code values} gives each; null for a message without one. */
    public static DataStream<KafkaMessage> of(
            StreamExecutionEnvironment environment, long count, SerializableFunction<Long, String> values) {
        return environment
                .fromSource(new NumberSequenceSource(0, count - 1), WatermarkStrategy.noWatermarks(), "offsets")
                .uid("source")
                .flatMap(new TestMessages(values))
                .returns(KafkaMessage.class)
                .uid("messages");
    }

    @Override
    public void open(OpenContext context) {
        deserializer = new MessageDeserializer();
        deserializer.open(null);
    }

    @Override
    public void flatMap(Long offset, Collector<KafkaMessage> out) throws Exception {
        if (FAILURES_LEFT.get() > 0) {
            Thread.sleep(5);
            if (checkpointed && offset % 7 == 0) {
                checkpointed = false;
                if (FAILURES_LEFT.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                    throw new IllegalStateException("Induced failure");
                }
            }
        }
        String value = values.apply(offset);
        byte[] bytes = value == null ? null : value.getBytes(StandardCharsets.UTF_8);
        byte[] key = ("key " + offset).getBytes(StandardCharsets.UTF_8);
        deserializer.deserialize(new ConsumerRecord<>("things", 3, offset, key, bytes), out);
    }

    @Override
    public void notifyCheckpointComplete(long checkpointId) {
        checkpointed = true;
    }
}
