package io.lakehouse.flink.jobs.ingestion;

import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.delta.DeltaSink;
import io.lakehouse.flink.delta.DeltaSinkBuilder;
import io.lakehouse.flink.delta.internal.parquet.StatisticsColumns;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.contract.OnInvalid;
import io.lakehouse.flink.jobs.events.KafkaMessage;
import io.lakehouse.flink.jobs.events.MessageEncoder;
import io.lakehouse.flink.jobs.events.TableColumns;
import io.lakehouse.flink.jobs.run.Tables;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.table.types.logical.RowType;

/**
 * Messages of a topic into the table of a contract and its quarantine table, each message into one of them exactly once.
 *
 * <p>Both tables commit with the same checkpoint. Between the two commits a crash may leave one of them a checkpoint
 * behind; the restored job makes up for it, since it repeats the commit that is missing.
 */
public final class Ingestion {
    private final Contract contract;
    private final Tables tables;
    private final String sinkUid;
    private final Map<Integer, Long> quarantined;

    /**
     * @param sinkUid the name of this writer in the tables, see {@link DeltaSinkBuilder#uid}
     * @param quarantined by partition, the offset below which the quarantine table has what is invalid already: another
     *     engine, which writes it first, may have ended before it wrote the table
     */
    public Ingestion(Contract contract, Tables tables, String sinkUid, Map<Integer, Long> quarantined) {
        this.contract = contract;
        this.tables = tables;
        this.sinkUid = sinkUid;
        this.quarantined = quarantined;
    }

    /** Lets the {@code messages} flow into the tables. Operators are chained from the source to the writers. */
    public void write(DataStream<KafkaMessage> messages) throws IOException {
        SingleOutputStreamOperator<KafkaMessage> events = messages.process(new EventRouter(contract, quarantined))
                .name("parse")
                .uid("parse");
        RowType columns = TableColumns.ofEvents(EventSchema.fromJson(contract.columns()));
        events.sinkTo(sink(contract.table(), columns, contract.partitionBy()))
                .name(contract.table())
                .uid("table");
        if (contract.onInvalid() == OnInvalid.QUARANTINE) {
            events.getSideOutput(EventRouter.REJECTED)
                    .sinkTo(sink(contract.rejectedTable(), TableColumns.ofRejected(), List.of()))
                    .name(contract.rejectedTable())
                    .uid("rejected");
        }
    }

    private DeltaSink<KafkaMessage> sink(String table, RowType columns, List<String> partitionBy) throws IOException {
        DeltaSinkBuilder<KafkaMessage> sink = DeltaSink.forRecords(
                        columns, new MessageEncoder(contract.columns(), partitionBy))
                .tablePath(tables.existing(table))
                .uid(sinkUid)
                .partitionBy(partitionBy)
                .plainColumns(TableColumns.plain(columns));
        tables.hadoopOptions().forEach(sink::hadoopOption);
        // Ids get no bounds where the table says so: nobody reads them, and they cost more than all others together.
        String bounded = tables.properties(table).get(StatisticsColumns.LIST);
        if (bounded != null) {
            sink.tableProperty(StatisticsColumns.LIST, bounded);
        }
        return sink.build();
    }
}
