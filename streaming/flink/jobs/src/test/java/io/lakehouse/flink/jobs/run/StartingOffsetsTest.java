package io.lakehouse.flink.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer.PartitionOffsetsRetriever;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class StartingOffsetsTest {
    private static final TopicPartition FIRST = new TopicPartition("things", 0);
    private static final TopicPartition SECOND = new TopicPartition("things", 1);

    @Test
    void aGivenOffsetComesBeforeThatOfTheContract() {
        assertThat(resolve(new StartingOffsets(StartingOffsets.parse("starting-offsets", "{\"1\": 42}"), false)))
                .isEqualTo(Map.of(FIRST, 5L, SECOND, 42L));
    }

    /** Events may have come into it while the table moved from one engine to another. */
    @Test
    void aPartitionThatTheTableHasNothingOfIsReadWhole() {
        assertThat(resolve(new StartingOffsets(Map.of(1, 42L), true))).isEqualTo(Map.of(FIRST, 5L, SECOND, 42L));
    }

    @Test
    void latestIsTheEndThatTheTopicHasNow() {
        assertThat(resolve(new StartingOffsets(Map.of(), true))).isEqualTo(Map.of(FIRST, 90L, SECOND, 90L));
    }

    @Test
    void offsetsThatAreNoneAreRefused() {
        assertThatThrownBy(() -> StartingOffsets.parse("quarantined", "earliest"))
                .hasMessageStartingWith("--quarantined is 'earliest'")
                .hasMessageContaining("{\"0\": 42, \"1\": 7}");
    }

    private static Map<TopicPartition, Long> resolve(StartingOffsets offsets) {
        return offsets.getPartitionOffsets(List.of(FIRST, SECOND), new Topic());
    }

    /** A topic that holds offsets 5 to 89 in each partition. */
    private static final class Topic implements PartitionOffsetsRetriever {
        @Override
        public Map<TopicPartition, Long> committedOffsets(Collection<TopicPartition> partitions) {
            return Map.of();
        }

        @Override
        public Map<TopicPartition, Long> endOffsets(Collection<TopicPartition> partitions) {
            return all(partitions, 90);
        }

        @Override
        public Map<TopicPartition, Long> beginningOffsets(Collection<TopicPartition> partitions) {
            return all(partitions, 5);
        }

        @Override
        public Map<TopicPartition, org.apache.kafka.clients.consumer.OffsetAndTimestamp> offsetsForTimes(
                Map<TopicPartition, Long> timestamps) {
            return Map.of();
        }

        private static Map<TopicPartition, Long> all(Collection<TopicPartition> partitions, long offset) {
            Map<TopicPartition, Long> offsets = new HashMap<>();
            partitions.forEach(partition -> offsets.put(partition, offset));
            return offsets;
        }
    }
}
