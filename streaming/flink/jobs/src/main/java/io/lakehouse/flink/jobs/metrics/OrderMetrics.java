package io.lakehouse.flink.jobs.metrics;

import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.contract.EventTime;
import io.lakehouse.flink.jobs.run.KeptWatermark;
import io.lakehouse.flink.jobs.run.ReplayedWatermarks;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.datastream.WindowedStream;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.OutputTag;

/** Orders by status in windows of time. */
public final class OrderMetrics {
    /** Orders whose window is closed for good. */
    public static final OutputTag<OrderEvent> LATE = new OutputTag<>("late", TypeInformation.of(OrderEvent.class));

    private OrderMetrics() {}

    /**
     * When orders happened; a source asks for each of its partitions. In a replay the watermark follows each order, and
     * waits for each partition that has not been read to its end: see {@link ReplayedWatermarks}.
     */
    public static WatermarkStrategy<OrderEvent> watermarks(EventTime eventTime, boolean replay) {
        WatermarkStrategy<OrderEvent> strategy = replay
                ? WatermarkStrategy.forGenerator(context -> new ReplayedWatermarks<>(eventTime.watermark()))
                : WatermarkStrategy.<OrderEvent>forBoundedOutOfOrderness(eventTime.watermark())
                        .withIdleness(eventTime.idleness());
        return strategy.withTimestampAssigner((order, kafkaTimestamp) -> order.eventTime);
    }

    /**
     * A version of a window when the watermark passes its end, and another one for each order that comes while lateness
     * is allowed. Orders later than that are in the side output {@link #LATE} where the contract has a table for them;
     * otherwise Flink drops them and counts them in {@code numLateRecordsDropped}.
     */
    public static SingleOutputStreamOperator<WindowMetrics> aggregate(
            DataStream<OrderEvent> orders, Contract contract) {
        WindowedStream<OrderEvent, StatusKey, TimeWindow> windows = KeptWatermark.keyBy(
                        orders, order -> new StatusKey(order.status), TypeInformation.of(StatusKey.class))
                .window(TumblingEventTimeWindows.of(contract.window()))
                .allowedLateness(contract.eventTime().allowedLateness());
        if (contract.late() != null) {
            windows.sideOutputLateData(LATE);
        }
        return windows.aggregate(
                        new OrderTotals.Adder(),
                        new WindowMetrics.Stamp(),
                        TypeInformation.of(OrderTotals.class),
                        TypeInformation.of(OrderTotals.class),
                        TypeInformation.of(WindowMetrics.class))
                .name("orders by status")
                .uid("window");
    }
}
