package io.lakehouse.flink.delta.internal.parquet;

import io.lakehouse.flink.delta.RecordEncoder;
import java.io.IOException;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.conf.ParquetConfiguration;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.ParquetMetadata;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;

/** Parquet's own writer, fed by a {@link RecordEncoder}: records are pushed into column buffers one by one. */
final class DataFileWriter<T> implements AutoCloseable {

    private final ParquetWriter<T> parquet;
    private long rows;

    DataFileWriter(ParquetWriter<T> parquet) {
        this.parquet = parquet;
    }

    void write(T record) throws IOException {
        parquet.write(record);
        rows++;
    }

    long rows() {
        return rows;
    }

    /** Bytes written and buffered so far, before compression of what is buffered. */
    long bytes() {
        return parquet.getDataSize();
    }

    /** @return the footer, once the writer is closed */
    ParquetMetadata footer() {
        return parquet.getFooter();
    }

    @Override
    public void close() throws IOException {
        parquet.close();
    }

    static final class Builder<T> extends ParquetWriter.Builder<T, Builder<T>> {

        private final MessageType schema;
        private final RecordEncoder<T> encoder;

        Builder(OutputFile file, MessageType schema, RecordEncoder<T> encoder) {
            super(file);
            this.schema = schema;
            this.encoder = encoder;
        }

        @Override
        protected Builder<T> self() {
            return this;
        }

        @Override
        @SuppressWarnings("deprecation") // abstract in Parquet all the same
        protected WriteSupport<T> getWriteSupport(Configuration configuration) {
            return new EncoderWriteSupport<>(schema, encoder);
        }

        @Override
        protected WriteSupport<T> getWriteSupport(ParquetConfiguration configuration) {
            return new EncoderWriteSupport<>(schema, encoder);
        }
    }

    private static final class EncoderWriteSupport<T> extends WriteSupport<T> {

        private final MessageType schema;
        private final RecordEncoder<T> encoder;
        private RecordConsumer consumer;

        EncoderWriteSupport(MessageType schema, RecordEncoder<T> encoder) {
            this.schema = schema;
            this.encoder = encoder;
        }

        @Override
        @SuppressWarnings("deprecation") // abstract in Parquet all the same
        public WriteContext init(Configuration configuration) {
            return new WriteContext(schema, Map.of());
        }

        @Override
        public WriteContext init(ParquetConfiguration configuration) {
            return new WriteContext(schema, Map.of());
        }

        @Override
        public void prepareForWrite(RecordConsumer recordConsumer) {
            consumer = recordConsumer;
        }

        @Override
        public void write(T record) {
            consumer.startMessage();
            encoder.encode(record, consumer);
            consumer.endMessage();
        }
    }
}
