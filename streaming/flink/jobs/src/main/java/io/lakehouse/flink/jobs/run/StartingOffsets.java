package io.lakehouse.flink.jobs.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.kafka.common.TopicPartition;

/**
 * Where a job without state begins to read: at the offsets given, and in other partitions at the end or the beginning.
 *
 * <p>Offsets are looked up once, at the start, so that a failure before the first checkpoint does not move the end. An
 * offset that is gone when it is to be read is never passed over in silence: the consumer has nowhere to reset to, and
 * the job fails naming it.
 */
public final class StartingOffsets implements OffsetsInitializer {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final HashMap<Integer, Long> given;
    private final boolean fromLatest;

    /** @param fromLatest to begin at the end, where nothing is given; else a partition without an offset is read whole */
    public StartingOffsets(Map<Integer, Long> given, boolean fromLatest) {
        this.given = new HashMap<>(given);
        // Who gives offsets goes on with a table. A partition that it has nothing of may have got its first events
        // since.
        this.fromLatest = fromLatest && given.isEmpty();
    }

    /**
     * Offsets by partition, of the argument {@code name}.
     *
     * @throws IllegalArgumentException when {@code json} is not of the form {@code {"0": 42, "1": 7}}
     */
    public static Map<Integer, Long> parse(String name, String json) {
        try {
            return MAPPER.readValue(json, new TypeReference<Map<Integer, Long>>() {});
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException(
                    "--%s is '%s', but has to map partitions to offsets as in {\"0\": 42, \"1\": 7}"
                            .formatted(name, json),
                    error);
        }
    }

    @Override
    public Map<TopicPartition, Long> getPartitionOffsets(
            Collection<TopicPartition> partitions, PartitionOffsetsRetriever topic) {
        Map<TopicPartition, Long> offsets =
                new HashMap<>(fromLatest ? topic.endOffsets(partitions) : topic.beginningOffsets(partitions));
        partitions.forEach(partition -> {
            Long offset = given.get(partition.partition());
            if (offset != null) {
                offsets.put(partition, offset);
            }
        });
        return offsets;
    }

    @Override
    @SuppressWarnings("deprecation") // the connector's interface is made of it
    public org.apache.kafka.clients.consumer.OffsetResetStrategy getAutoOffsetResetStrategy() {
        return org.apache.kafka.clients.consumer.OffsetResetStrategy.NONE;
    }
}
