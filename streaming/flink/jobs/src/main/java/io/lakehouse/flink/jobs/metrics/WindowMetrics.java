package io.lakehouse.flink.jobs.metrics;

import javax.annotation.Nullable;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/**
 * One version of one window: a POJO of Flink. Times are in microseconds since 1970-01-01T00:00:00Z.
 *
 * <p>Readers take the version with the latest {@code emittedAt}. Sum and average are null where the sum does not fit 64
 * bits, as in SQL's {@code try_sum}.
 */
public final class WindowMetrics {
    public long windowStart;
    public long windowEnd;

    @Nullable
    public String status;

    public long orderCount;

    @Nullable
    public Long totalAmountCents;

    @Nullable
    public Double averageAmountCents;

    public long maxAmountCents;
    public long emittedAt;

    /** Gives each firing of a window its bounds and the time at which it is emitted. */
    static final class Stamp extends ProcessWindowFunction<OrderTotals, WindowMetrics, StatusKey, TimeWindow> {
        private transient long lastEmitted;

        @Override
        public void open(OpenContext context) {
            lastEmitted = Long.MIN_VALUE;
        }

        @Override
        public void process(
                StatusKey key, Context context, Iterable<OrderTotals> results, Collector<WindowMetrics> out) {
            OrderTotals totals = results.iterator().next();
            // Two late events within a millisecond are two versions: the later one has to be told by its time alone.
            lastEmitted = Math.max(lastEmitted + 1, context.currentProcessingTime() * 1000);
            WindowMetrics metrics = new WindowMetrics();
            metrics.windowStart = context.window().getStart() * 1000;
            metrics.windowEnd = context.window().getEnd() * 1000;
            metrics.status = key.status();
            metrics.orderCount = totals.count;
            metrics.totalAmountCents = totals.overflowed ? null : totals.totalCents;
            metrics.averageAmountCents = totals.overflowed ? null : totals.totalCents / (double) totals.count;
            metrics.maxAmountCents = totals.maxCents;
            metrics.emittedAt = lastEmitted;
            out.collect(metrics);
        }
    }
}
