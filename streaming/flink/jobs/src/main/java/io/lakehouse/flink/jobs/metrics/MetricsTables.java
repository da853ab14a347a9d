package io.lakehouse.flink.jobs.metrics;

import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.delta.DeltaSink;
import io.lakehouse.flink.delta.DeltaSinkBuilder;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.events.KafkaMessage;
import io.lakehouse.flink.jobs.events.MessageEncoder;
import io.lakehouse.flink.jobs.events.TableColumns;
import io.lakehouse.flink.jobs.run.Tables;
import java.io.IOException;
import java.util.List;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.table.types.logical.RowType;

/**
 * The table of window metrics, and where the contract names one that of the orders that came too late, which has the
 * columns of the orders.
 */
public final class MetricsTables {
    private final Contract contract;
    private final Tables tables;
    private final String sinkUid;

    /** @param sinkUid the name of this writer in the tables, see {@link DeltaSinkBuilder#uid} */
    public MetricsTables(Contract contract, Tables tables, String sinkUid) {
        this.contract = contract;
        this.tables = tables;
        this.sinkUid = sinkUid;
    }

    /** Lets {@code metrics} and its late orders flow into the tables. */
    public void write(SingleOutputStreamOperator<WindowMetrics> metrics) throws IOException {
        List<String> partitionBy = contract.partitionBy();
        metrics.sinkTo(sink(
                        DeltaSink.forRecords(MetricsEncoder.COLUMNS, new MetricsEncoder(partitionBy)),
                        contract.table(),
                        partitionBy))
                .name(contract.table())
                .uid("table");
        if (contract.late() != null) {
            writeLate(metrics, contract.late());
        }
    }

    private void writeLate(SingleOutputStreamOperator<WindowMetrics> metrics, String table) throws IOException {
        String events = contract.source().columns();
        RowType columns = TableColumns.ofEvents(EventSchema.fromJson(events));
        metrics.getSideOutput(OrderMetrics.LATE)
                .map(order -> order.message)
                .returns(KafkaMessage.class)
                .name("late")
                .uid("late-messages")
                .sinkTo(sink(DeltaSink.forRecords(columns, new MessageEncoder(events, List.of())), table, List.of()))
                .name(table)
                .uid("late");
    }

    private <T> DeltaSink<T> sink(DeltaSinkBuilder<T> sink, String table, List<String> partitionBy) throws IOException {
        tables.hadoopOptions().forEach(sink::hadoopOption);
        return sink.tablePath(tables.existing(table))
                .uid(sinkUid)
                .partitionBy(partitionBy)
                .build();
    }
}
