package io.lakehouse.flink.jobs.metrics;

import org.apache.flink.api.common.functions.AggregateFunction;

/** Count, sum and maximum of amounts so far: a POJO of Flink. */
public final class OrderTotals {
    public long count;
    public long totalCents;
    public long maxCents = Long.MIN_VALUE;

    /** Whether the sum left 64 bits behind. One absurd amount must not stop the job, nor give a wrong sum. */
    public boolean overflowed;

    private void add(long cents) {
        long sum = totalCents + cents;
        overflowed |= ((totalCents ^ sum) & (cents ^ sum)) < 0;
        totalCents = sum;
    }

    /** Adds up the orders of one window. */
    static final class Adder implements AggregateFunction<OrderEvent, OrderTotals, OrderTotals> {
        @Override
        public OrderTotals createAccumulator() {
            return new OrderTotals();
        }

        @Override
        public OrderTotals add(OrderEvent order, OrderTotals totals) {
            totals.count++;
            totals.add(order.amountCents);
            totals.maxCents = Math.max(totals.maxCents, order.amountCents);
            return totals;
        }

        @Override
        public OrderTotals getResult(OrderTotals totals) {
            return totals;
        }

        @Override
        public OrderTotals merge(OrderTotals one, OrderTotals other) {
            one.count += other.count;
            one.add(other.totalCents);
            one.overflowed |= other.overflowed;
            one.maxCents = Math.max(one.maxCents, other.maxCents);
            return one;
        }
    }
}
