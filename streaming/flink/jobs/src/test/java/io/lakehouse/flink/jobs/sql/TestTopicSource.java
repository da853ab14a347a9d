package io.lakehouse.flink.jobs.sql;

import io.lakehouse.flink.jobs.TestDeserialization;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.format.DecodingFormat;
import org.apache.flink.table.connector.source.DataStreamScanProvider;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.abilities.SupportsReadingMetadata;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.utils.JoinedRowData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.Collector;

/** Messages of a {@link TestTopic}, as Kafka's connectors give them out; the offset is their place, the partition 3. */
final class TestTopicSource implements ScanTableSource, SupportsReadingMetadata {
    private final String topic;
    private final DecodingFormat<DeserializationSchema<RowData>> format;
    private final boolean upsert;
    private final DataType physical;
    private DataType produced;
    private List<String> metadata = List.of();

    TestTopicSource(
            String topic, DecodingFormat<DeserializationSchema<RowData>> format, boolean upsert, DataType physical) {
        this.topic = topic;
        this.format = format;
        this.upsert = upsert;
        this.physical = physical;
        produced = physical;
    }

    @Override
    public ChangelogMode getChangelogMode() {
        return upsert ? ChangelogMode.upsert() : ChangelogMode.insertOnly();
    }

    @Override
    public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
        DeserializationSchema<RowData> decoder = format.createRuntimeDecoder(context, physical);
        TypeInformation<RowData> type = context.createTypeInformation(produced);
        boolean endless = TestTopic.of(topic).endless;
        long last = endless ? Long.MAX_VALUE : TestTopic.of(topic).messages.size() - 1L;
        Reader reader = new Reader(topic, decoder, metadata, upsert ? RowKind.UPDATE_AFTER : RowKind.INSERT);
        return new DataStreamScanProvider() {
            @Override
            public DataStream<RowData> produceDataStream(ProviderContext provider, StreamExecutionEnvironment flink) {
                return flink.fromSource(new NumberSequenceSource(0, last), WatermarkStrategy.noWatermarks(), topic)
                        .uid(provider.generateUid("numbers").orElseThrow())
                        .setParallelism(1)
                        .flatMap(reader)
                        .returns(type)
                        .uid(provider.generateUid("messages").orElseThrow())
                        .setParallelism(1);
            }

            @Override
            public boolean isBounded() {
                return !endless;
            }
        };
    }

    @Override
    public Map<String, DataType> listReadableMetadata() {
        return Map.of(
                "partition", DataTypes.INT().notNull(),
                "offset", DataTypes.BIGINT().notNull());
    }

    @Override
    public void applyReadableMetadata(List<String> keys, DataType type) {
        metadata = keys;
        produced = type;
    }

    @Override
    public DynamicTableSource copy() {
        TestTopicSource copy = new TestTopicSource(topic, format, upsert, physical);
        copy.applyReadableMetadata(metadata, produced);
        return copy;
    }

    @Override
    public String asSummaryString() {
        return "test topic";
    }

    private static final class Reader extends RichFlatMapFunction<Long, RowData> {
        private final String topic;
        private final DeserializationSchema<RowData> decoder;
        private final List<String> metadata;
        private final RowKind kind;

        Reader(String topic, DeserializationSchema<RowData> decoder, List<String> metadata, RowKind kind) {
            this.topic = topic;
            this.decoder = decoder;
            this.metadata = metadata;
            this.kind = kind;
        }

        @Override
        public void open(OpenContext context) throws Exception {
            decoder.open(new TestDeserialization());
        }

        @Override
        public void flatMap(Long offset, Collector<RowData> out) throws Exception {
            String message = TestTopic.of(topic).messages.poll();
            if (message == null) {
                Thread.sleep(1);
                return;
            }
            RowData row = decoder.deserialize(message.getBytes(StandardCharsets.UTF_8));
            if (row != null) {
                GenericRowData coordinates = new GenericRowData(metadata.size());
                for (int i = 0; i < metadata.size(); i++) {
                    coordinates.setField(i, metadata.get(i).equals("partition") ? (Object) 3 : offset);
                }
                out.collect(new JoinedRowData(kind, row, coordinates));
            }
        }
    }
}
