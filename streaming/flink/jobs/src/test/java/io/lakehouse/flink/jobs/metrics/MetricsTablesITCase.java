package io.lakehouse.flink.jobs.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.delta.kernel.data.Row;
import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.delta.TestTables;
import io.lakehouse.flink.jobs.TestContract;
import io.lakehouse.flink.jobs.TestDeserialization;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.events.TableColumns;
import io.lakehouse.flink.jobs.run.JobSettings;
import io.lakehouse.flink.jobs.run.Tables;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.apache.flink.api.common.eventtime.WatermarkGenerator;
import org.apache.flink.api.common.eventtime.WatermarkOutput;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichFlatMapFunction;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Orders through the job into its Delta tables, on a real (small) cluster. */
@Timeout(300)
class MetricsTablesITCase {
    private static final String ORDERS =
            """
            [{"name": "order_id", "type": "string", "required": true}, {"name": "status", "type": "string"},
             {"name": "amount_cents", "type": "bigint", "required": true},
             {"name": "happened", "type": "timestamp", "required": true}]""";

    /** By offset. The watermark follows each order at once. */
    private static final List<String> MESSAGES = List.of(
            "{\"order_id\": \"a\", \"status\": \"paid\", \"amount_cents\": 100, \"happened\": \"2026-03-01T12:00:00Z\"}",
            "{\"order_id\": \"b\", \"amount_cents\": 50, \"happened\": \"2026-03-01T12:01:00Z\"}",
            "not an order",
            "{\"order_id\": \"c\", \"status\": \"paid\", \"amount_cents\": 1, \"happened\": \"2026-03-01T12:05:40Z\"}",
            "{\"order_id\": \"d\", \"status\": \"paid\", \"amount_cents\": 201, \"happened\": \"2026-03-01T12:02:00Z\"}",
            "{\"order_id\": \"e\", \"status\": \"paid\", \"amount_cents\": 1, \"happened\": \"2026-03-01T12:06:31Z\"}",
            "{\"order_id\": \"f\", \"status\": \"paid\", \"amount_cents\": 9, \"happened\": \"2026-03-01T12:03:00Z\"}");

    @RegisterExtension
    static final MiniClusterExtension FLINK = new MiniClusterExtension(new MiniClusterResourceConfiguration.Builder()
            .setNumberTaskManagers(1)
            .setNumberSlotsPerTaskManager(2)
            .build());

    @TempDir
    Path root;

    @Test
    void windowsCorrectionsAndLateOrdersAreInTheirTables() throws Exception {
        Contract contract = Contract.parse(
                """
                {"table": "streaming.metrics", "freshness": "5 seconds", "partition_by": ["status"], "columns": [],
                 "source": {"topic": "orders", "columns": %s, "event_time": "happened"}, "on_invalid": "drop",
                 "event_time": {"column": "window_end"}, "late": "streaming.orders_late"}"""
                        .formatted(ORDERS));
        Tables tables = new Tables(root.toString(), Map.of());
        TestContract.create(tables, "streaming.metrics", MetricsEncoder.COLUMNS, List.of("status"));
        TestContract.create(
                tables, "streaming.orders_late", TableColumns.ofEvents(EventSchema.fromJson(ORDERS)), List.of());
        StreamExecutionEnvironment environment = environment();
        new MetricsTables(contract, tables, "flink")
                .write(OrderMetrics.aggregate(orders(environment, contract), contract));
        environment.execute();

        long noon = Instant.parse("2026-03-01T12:00:00Z").toEpochMilli() * 1000;
        assertThat(rows(
                        "streaming/metrics",
                        row -> row.getLong(0) == noon
                                ? (row.isNullAt(2) ? null : row.getString(2)) + " " + row.getLong(3) + " "
                                        + row.getLong(4) + " " + row.getDouble(5) + " " + row.getLong(6)
                                : "later"))
                .containsExactlyInAnyOrder(
                        "paid 1 100 100.0 100", "null 1 50 50.0 50", "paid 2 301 150.5 201", "later");
        assertThat(rows("streaming/orders_late", row -> row.getString(0) + " " + row.getLong(2) + " " + row.getLong(6)))
                .containsExactly("f 9 6");
    }

    private static DataStream<OrderEvent> orders(StreamExecutionEnvironment environment, Contract contract) {
        WatermarkStrategy<OrderEvent> configured = OrderMetrics.watermarks(contract.eventTime(), false);
        WatermarkStrategy<OrderEvent> prompt = WatermarkStrategy.<OrderEvent>forGenerator(
                        context -> new PromptWatermarks(configured.createWatermarkGenerator(context)))
                .withTimestampAssigner((order, kafkaTimestamp) -> order.eventTime);
        return environment
                .fromSource(
                        new NumberSequenceSource(0, MESSAGES.size() - 1), WatermarkStrategy.noWatermarks(), "offsets")
                .uid("source")
                .setParallelism(1)
                .flatMap(new Orders(new OrderDeserializer(contract)))
                .returns(OrderEvent.class)
                .uid("orders")
                .setParallelism(1)
                .assignTimestampsAndWatermarks(prompt)
                .uid("watermarks")
                .setParallelism(1);
    }

    private static StreamExecutionEnvironment environment() {
        Configuration configuration =
                JobSettings.settings(new Configuration(), Optional.of(Duration.ofMillis(50)), Duration.ofSeconds(1));
        return StreamExecutionEnvironment.getExecutionEnvironment(configuration).setParallelism(2);
    }

    private <R> List<R> rows(String table, Function<Row, R> reader) throws Exception {
        return TestTables.rows(root.resolve(table), reader);
    }

    /** The job's own generator, asked after each order and not from time to time, which no test could rely on. */
    private record PromptWatermarks(WatermarkGenerator<OrderEvent> generator)
            implements WatermarkGenerator<OrderEvent> {
        @Override
        public void onEvent(OrderEvent order, long time, WatermarkOutput output) {
            generator.onEvent(order, time, output);
            generator.onPeriodicEmit(output);
        }

        @Override
        public void onPeriodicEmit(WatermarkOutput output) {}
    }

    /** Offsets to the messages there, read as the source reads them. */
    private static final class Orders extends RichFlatMapFunction<Long, OrderEvent> {
        private final OrderDeserializer deserializer;

        Orders(OrderDeserializer deserializer) {
            this.deserializer = deserializer;
        }

        @Override
        public void open(OpenContext context) {
            deserializer.open(new TestDeserialization());
        }

        @Override
        public void flatMap(Long offset, Collector<OrderEvent> out) throws Exception {
            byte[] value = MESSAGES.get(offset.intValue()).getBytes(StandardCharsets.UTF_8);
            deserializer.deserialize(new ConsumerRecord<>("orders", 0, offset, null, value), out);
        }
    }
}
