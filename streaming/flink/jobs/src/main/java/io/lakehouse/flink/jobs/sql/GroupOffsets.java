package io.lakehouse.flink.jobs.sql;

import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.run.Arguments;
import io.lakehouse.flink.jobs.run.Sources;
import io.lakehouse.flink.jobs.run.StartingOffsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.flink.connector.kafka.source.enumerator.KafkaSourceEnumerator.PartitionOffsetsRetrieverImpl;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * Where a script without state begins to read: at the offsets of its consumer group.
 *
 * <p>Of Flink's start-up modes only {@code group-offsets} can be told to stop when an offset is gone; the others begin
 * again with the oldest message there is, and events are missing without a word. So the offsets that the contract or
 * {@code --starting-offsets} asks for are committed to the group before the job is submitted.
 */
final class GroupOffsets {
    private GroupOffsets() {}

    /** @throws IllegalStateException naming the topic, when Kafka refuses or does not answer */
    static void commit(Contract contract, Arguments arguments) throws InterruptedException {
        StartingOffsets starting = Sources.startingOffsets(contract, arguments);
        String group = Sources.group(contract);
        String topic = contract.source().topic();
        Properties settings = arguments.kafkaProperties();
        try (AdminClient kafka = AdminClient.create(settings)) {
            List<TopicPartition> partitions =
                    kafka.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream()
                            .map(partition -> new TopicPartition(topic, partition.partition()))
                            .toList();
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            starting.getPartitionOffsets(partitions, new PartitionOffsetsRetrieverImpl(kafka, group))
                    .forEach((partition, offset) -> offsets.put(partition, new OffsetAndMetadata(offset)));
            kafka.alterConsumerGroupOffsets(group, offsets).all().get();
        } catch (ExecutionException error) {
            throw new IllegalStateException(
                    "Where to begin in topic %s could not be committed to group %s at %s: %s. `lakehouse status` shows whether Kafka runs."
                            .formatted(
                                    topic,
                                    group,
                                    arguments.required("bootstrap-servers"),
                                    error.getCause().getMessage()),
                    error);
        }
    }
}
