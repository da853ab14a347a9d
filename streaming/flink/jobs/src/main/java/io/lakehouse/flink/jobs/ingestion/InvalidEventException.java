package io.lakehouse.flink.jobs.ingestion;

import io.lakehouse.flink.jobs.events.KafkaMessage;

/** An invalid message arrived where the contract says {@code on_invalid: fail}. */
public final class InvalidEventException extends RuntimeException {
    InvalidEventException(String table, KafkaMessage message) {
        super(("%s: an invalid message in topic %s, partition %d, offset %d: %s. The contract says `on_invalid: fail`;"
                        + " `quarantine` would set such messages aside.")
                .formatted(
                        table,
                        message.topic,
                        message.partition,
                        message.offset,
                        message.event().reason()));
    }
}
