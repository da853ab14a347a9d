package io.lakehouse.flink.jobs.events;

import org.apache.flink.api.common.serialization.DeserializationSchema.InitializationContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** Messages as they are, each in the same object: they are parsed by the operator behind, which counts and routes. */
public final class MessageDeserializer implements KafkaRecordDeserializationSchema<KafkaMessage> {
    private transient KafkaMessage message;

    @Override
    public void open(InitializationContext context) {
        message = new KafkaMessage();
    }

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> read, Collector<KafkaMessage> out) {
        message.set(read, System.currentTimeMillis() * 1000);
        out.collect(message);
    }

    @Override
    public TypeInformation<KafkaMessage> getProducedType() {
        return TypeInformation.of(KafkaMessage.class);
    }
}
