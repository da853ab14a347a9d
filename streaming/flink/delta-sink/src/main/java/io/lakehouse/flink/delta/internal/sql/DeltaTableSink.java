package io.lakehouse.flink.delta.internal.sql;

import io.lakehouse.flink.delta.DeltaSink;
import java.util.Map;
import java.util.Optional;
import javax.annotation.Nullable;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamSink;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.ProviderContext;
import org.apache.flink.table.connector.sink.DataStreamSinkProvider;
import org.apache.flink.table.connector.sink.DynamicTableSink;
import org.apache.flink.table.connector.sink.abilities.SupportsPartitioning;
import org.apache.flink.table.data.RowData;
import org.apache.flink.types.RowKind;

/** A Delta table as the target of {@code INSERT INTO}. */
public final class DeltaTableSink implements DynamicTableSink, SupportsPartitioning {

    private final DeltaSink<RowData> sink;

    @Nullable
    private final String uid;

    private final String name;

    @Nullable
    private final Integer parallelism;

    private final String noUpserts;

    public DeltaTableSink(
            DeltaSink<RowData> sink,
            @Nullable String uid,
            String name,
            @Nullable Integer parallelism,
            String noUpserts) {
        this.sink = sink;
        this.uid = uid;
        this.name = name;
        this.parallelism = parallelism;
        this.noUpserts = noUpserts;
    }

    @Override
    public ChangelogMode getChangelogMode(ChangelogMode requestedMode) {
        for (RowKind kind : requestedMode.getContainedKinds()) {
            if (kind != RowKind.INSERT) {
                throw new ValidationException(
                        "The query updates or deletes rows that it gave out before (%s): it groups,"
                                        .formatted(requestedMode)
                                + " joins or ranks without a window. Use a window, so that each result is given out once. "
                                + noUpserts);
            }
        }
        return ChangelogMode.insertOnly();
    }

    @Override
    public SinkRuntimeProvider getSinkRuntimeProvider(Context context) {
        return new DataStreamSinkProvider() {
            @Override
            public DataStreamSink<?> consumeDataStream(ProviderContext provider, DataStream<RowData> rows) {
                return rows.sinkTo(sink).uid(operatorUid(provider)).name(name);
            }

            @Override
            public Optional<Integer> getParallelism() {
                return Optional.ofNullable(parallelism);
            }
        };
    }

    /** Flink names operators for plans that it compiles; otherwise the name of the table has to do. */
    private String operatorUid(ProviderContext provider) {
        return uid != null ? uid : provider.generateUid("delta-sink").orElse(name);
    }

    /** Nothing to do: the planner adds the values of a static partition to each row. */
    @Override
    public void applyStaticPartition(Map<String, String> partition) {}

    @Override
    public DynamicTableSink copy() {
        return new DeltaTableSink(sink, uid, name, parallelism, noUpserts);
    }

    @Override
    public String asSummaryString() {
        return "Delta table sink";
    }
}
