package io.lakehouse.flink.jobs.metrics;

import static org.assertj.core.api.Assertions.assertThat;

import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.contract.EventTime;
import io.lakehouse.flink.jobs.contract.OnInvalid;
import io.lakehouse.flink.jobs.contract.Source;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.SimpleOperatorFactory;
import org.apache.flink.streaming.api.transformations.OneInputTransformation;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.operators.TimestampsAndWatermarksOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.runtime.watermarkstatus.WatermarkStatus;
import org.apache.flink.streaming.util.KeyedOneInputStreamOperatorTestHarness;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The window operator of the job, fed by hand: events, watermarks and the clock. */
class OrderMetricsTest {
    private static final Contract CONTRACT = contract("streaming.orders_late");
    private static final long START = Instant.parse("2026-03-01T12:00:00Z").toEpochMilli();
    private static final long END = START + Duration.ofMinutes(5).toMillis();
    private static final long CLOSED = END - 1 + Duration.ofMinutes(1).toMillis();

    private KeyedOneInputStreamOperatorTestHarness<StatusKey, OrderEvent, WindowMetrics> window;

    @BeforeEach
    void open() throws Exception {
        window = harness(CONTRACT);
        window.setup();
        window.open();
        window.setProcessingTime(1000);
    }

    @AfterEach
    void close() throws Exception {
        window.close();
    }

    @Test
    void aWindowCountsAddsAndAveragesTheOrdersOfAStatus() throws Exception {
        order("paid", 100, START);
        order("paid", 201, END - 1);
        order("placed", 7, START + 1);
        order("paid", 5, END);
        window.processWatermark(END - 1);

        assertThat(emitted()).containsExactlyInAnyOrder("paid 2 301 150.5 201", "placed 1 7 7.0 7");
        WindowMetrics first = window.extractOutputValues().get(0);
        assertThat(first.windowStart).isEqualTo(START * 1000);
        assertThat(first.windowEnd).isEqualTo(END * 1000);
    }

    @Test
    void ordersWithoutAStatusAreAGroupOfTheirOwn() throws Exception {
        order(null, 100, START);
        order("", 50, START);
        window.processWatermark(END - 1);

        assertThat(emitted()).containsExactlyInAnyOrder("null 1 100 100.0 100", " 1 50 50.0 50");
    }

    @Test
    void aLateOrderFiresItsWindowAgainAsALaterVersion() throws Exception {
        order("paid", 100, START);
        window.processWatermark(END - 1);
        order("paid", 300, START + 1);
        order("paid", 200, START + 2);
        window.processWatermark(CLOSED - 1);
        order("paid", 400, START + 3);

        assertThat(emitted())
                .containsExactly(
                        "paid 1 100 100.0 100",
                        "paid 2 400 200.0 300",
                        "paid 3 600 200.0 300",
                        "paid 4 1000 250.0 400");
        List<Long> versions =
                window.extractOutputValues().stream().map(m -> m.emittedAt).toList();
        assertThat(versions).isSorted().doesNotHaveDuplicates();
        assertThat(late()).isEmpty();
    }

    @Test
    void anOrderBeyondTheAllowedLatenessGoesToTheSideOutput() throws Exception {
        order("paid", 100, START);
        window.processWatermark(CLOSED);
        order("paid", 300, START + 1);

        assertThat(emitted()).containsExactly("paid 1 100 100.0 100");
        assertThat(late()).containsExactly(300L);
    }

    @Test
    void withoutATableOfLateOrdersTheseGoNowhere() throws Exception {
        window.close();
        window = harness(contract(null));
        window.open();
        order("paid", 100, START);
        window.processWatermark(CLOSED);
        order("paid", 300, START + 1);

        assertThat(emitted()).containsExactly("paid 1 100 100.0 100");
        assertThat(late()).isEmpty();
    }

    @Test
    void aSumBeyond64BitsIsNullAndTheRestIsRight() throws Exception {
        order("paid", Long.MAX_VALUE, START);
        order("paid", 1, START);
        order("placed", Long.MAX_VALUE, START);
        window.processWatermark(END - 1);

        assertThat(emitted())
                .containsExactlyInAnyOrder(
                        "paid 2 null null " + Long.MAX_VALUE,
                        "placed 1 " + Long.MAX_VALUE + " " + (double) Long.MAX_VALUE + " " + Long.MAX_VALUE);
    }

    @Test
    void windowsSurviveARestore() throws Exception {
        order("paid", 100, START);
        window.processWatermark(END - 1);
        var snapshot = window.snapshot(1, 1);
        window.close();
        window = harness(CONTRACT);
        window.initializeState(snapshot);
        window.open();
        window.setProcessingTime(2000);
        window.processWatermark(END - 1);
        order("paid", 300, START + 1);

        assertThat(emitted()).containsExactly("paid 2 400 200.0 300");
    }

    @Test
    void theWatermarkStaysHalfAMinuteBehindTheNewestOrder() throws Exception {
        try (var source = watermarks(false)) {
            source.processElement(at(START + 60_000));
            source.processElement(at(START));
            source.setProcessingTime(1000);

            assertThat(source.getOutput()).contains(new Watermark(START + 30_000 - 1));
        }
    }

    @Test
    void aPartitionWithoutEventsForAMinuteIsNotWaitedFor() throws Exception {
        try (var source = watermarks(false)) {
            source.processElement(at(START));
            source.setProcessingTime(59_000);
            assertThat(source.getOutput()).doesNotContain(WatermarkStatus.IDLE);
            source.setProcessingTime(70_000);
            source.setProcessingTime(140_000);
            assertThat(source.getOutput()).contains(WatermarkStatus.IDLE);
            source.processElement(at(START + 60_000));
            source.setProcessingTime(140_500);
            assertThat(source.getOutput()).contains(WatermarkStatus.ACTIVE);
        }
    }

    @Test
    void aReplaysWatermarkFollowsEachOrderWhateverTheClockSays() throws Exception {
        Watermark behind = new Watermark(START + 29_999);
        try (var live = watermarks(false);
                var replay = watermarks(true)) {
            live.processElement(at(START + 60_000));
            replay.processElement(at(START + 60_000));
            assertThat(live.getOutput()).doesNotContain(behind);
            assertThat(replay.getOutput()).contains(behind);
            replay.setProcessingTime(3_600_000);
            assertThat(replay.getOutput()).doesNotContain(WatermarkStatus.IDLE);
        }
    }

    private static Contract contract(String late) {
        return new Contract(
                "streaming.metrics",
                Duration.ofSeconds(5),
                new Source("orders", "[]", "event_time", false, true),
                "[]",
                new EventTime("window_end", Duration.ofSeconds(30), Duration.ofMinutes(1), Duration.ofMinutes(1)),
                Duration.ofMinutes(5),
                List.of(),
                OnInvalid.DROP,
                late,
                null);
    }

    private static StreamRecord<OrderEvent> at(long eventTime) {
        OrderEvent order = new OrderEvent();
        order.eventTime = eventTime;
        return new StreamRecord<>(order);
    }

    private static OneInputStreamOperatorTestHarness<OrderEvent, OrderEvent> watermarks(boolean replay)
            throws Exception {
        var harness =
                new OneInputStreamOperatorTestHarness<OrderEvent, OrderEvent>(new TimestampsAndWatermarksOperator<>(
                        null, OrderMetrics.watermarks(CONTRACT.eventTime(), replay), true));
        harness.getExecutionConfig().setAutoWatermarkInterval(200);
        harness.open();
        return harness;
    }

    /** The very operator that the job's topology has. */
    @SuppressWarnings("unchecked")
    private static KeyedOneInputStreamOperatorTestHarness<StatusKey, OrderEvent, WindowMetrics> harness(
            Contract contract) throws Exception {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        var orders = environment.fromData(TypeInformation.of(OrderEvent.class), new OrderEvent());
        var transformation = (OneInputTransformation<OrderEvent, WindowMetrics>)
                OrderMetrics.aggregate(orders, contract).getTransformation();
        var operator = ((SimpleOperatorFactory<WindowMetrics>) transformation.getOperatorFactory()).getOperator();
        return new KeyedOneInputStreamOperatorTestHarness<>(
                (OneInputStreamOperator<OrderEvent, WindowMetrics>) operator,
                order -> new StatusKey(order.status),
                TypeInformation.of(StatusKey.class));
    }

    private void order(String status, long cents, long eventTime) throws Exception {
        OrderEvent order = new OrderEvent();
        order.status = status;
        order.amountCents = cents;
        order.eventTime = eventTime;
        window.processElement(new StreamRecord<>(order, eventTime));
    }

    private List<String> emitted() {
        return window.extractOutputValues().stream()
                .map(m -> m.status + " " + m.orderCount + " " + m.totalAmountCents + " " + m.averageAmountCents + " "
                        + m.maxAmountCents)
                .toList();
    }

    private List<Long> late() {
        List<Long> amounts = new ArrayList<>();
        var late = window.getSideOutput(OrderMetrics.LATE);
        if (late != null) {
            late.forEach(order -> amounts.add(order.getValue().amountCents));
        }
        return amounts;
    }
}
