package io.lakehouse.flink.jobs.run;

import io.lakehouse.flink.jobs.contract.Contract;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.kafka.common.TopicPartition;

/** The topic of a contract. */
public final class Sources {
    private Sources() {}

    /**
     * A source of what {@code deserializer} makes of the messages of the contract's topic. Its offsets are part of
     * checkpoints; it also commits them to the {@link #group}, for tools that show lag. It ends at {@link #endingOffsets}.
     *
     * @throws IllegalArgumentException as {@link #startingOffsets}
     */
    public static <T> KafkaSource<T> of(
            Contract contract, Arguments arguments, KafkaRecordDeserializationSchema<T> deserializer) {
        KafkaSourceBuilder<T> source = KafkaSource.<T>builder()
                .setProperties(arguments.kafkaProperties())
                .setTopics(contract.source().topic())
                .setGroupId(group(contract))
                .setClientIdPrefix(group(contract))
                .setStartingOffsets(startingOffsets(contract, arguments))
                .setDeserializer(deserializer);
        if (isBounded(arguments)) {
            Map<TopicPartition, Long> ends = new HashMap<>();
            endingOffsets(arguments)
                    .forEach((partition, offset) ->
                            ends.put(new TopicPartition(contract.source().topic(), partition), offset));
            source.setBounded(OffsetsInitializer.offsets(ends));
        }
        return source.build();
    }

    /** Where a replay ends, by partition: the job then finishes. None for a job that goes on for ever. */
    public static Map<Integer, Long> endingOffsets(Arguments arguments) {
        return arguments.offsets("ending-offsets");
    }

    /** Whether the job is a replay, which reads a range as fast as it can and then finishes. */
    public static boolean isBounded(Arguments arguments) {
        return !endingOffsets(arguments).isEmpty();
    }

    /** The consumer group of the job that fills the table of the {@code contract}. */
    public static String group(Contract contract) {
        return "lakehouse." + contract.table();
    }

    /**
     * Where a job without state begins to read.
     *
     * @throws IllegalArgumentException for a contract that goes on over lost events, which it wants recorded
     */
    public static StartingOffsets startingOffsets(Contract contract, Arguments arguments) {
        if (!contract.source().failOnDataLoss()) {
            throw new IllegalArgumentException(("The contract of %s says fail_on_data_loss: false, but under Flink lost"
                            + " offsets are not recorded in quarantine. Set it to true, or `engine: spark`.")
                    .formatted(contract.table()));
        }
        return new StartingOffsets(
                arguments.offsets("starting-offsets"), contract.source().fromLatest());
    }
}
