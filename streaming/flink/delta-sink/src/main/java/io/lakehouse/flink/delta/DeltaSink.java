package io.lakehouse.flink.delta;

import io.lakehouse.flink.delta.internal.CheckpointAggregator;
import io.lakehouse.flink.delta.internal.DeltaCommitter;
import io.lakehouse.flink.delta.internal.DeltaSinkWriter;
import io.lakehouse.flink.delta.internal.commit.Backoff;
import io.lakehouse.flink.delta.internal.commit.CheckpointCommit;
import io.lakehouse.flink.delta.internal.commit.CheckpointCommitSerializer;
import io.lakehouse.flink.delta.internal.commit.DataFileSerializer;
import io.lakehouse.flink.delta.internal.commit.TableCommitter;
import io.lakehouse.flink.delta.internal.parquet.DataFile;
import io.lakehouse.flink.delta.internal.parquet.DataFileFactory;
import io.lakehouse.flink.delta.internal.parquet.DataFiles;
import io.lakehouse.flink.delta.internal.parquet.WriterSettings;
import io.lakehouse.flink.delta.internal.rowdata.RowDataEncoder;
import io.lakehouse.flink.delta.internal.table.DeltaTable;
import io.lakehouse.flink.delta.internal.table.PostCommitHooks;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.io.IOException;
import javax.annotation.Nullable;
import org.apache.flink.annotation.PublicEvolving;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.api.connector.sink2.CommitterInitContext;
import org.apache.flink.api.connector.sink2.Sink;
import org.apache.flink.api.connector.sink2.SinkWriter;
import org.apache.flink.api.connector.sink2.SupportsCommitter;
import org.apache.flink.api.connector.sink2.WriterInitContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessageTypeInfo;
import org.apache.flink.streaming.api.connector.sink2.SupportsPreCommitTopology;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.types.logical.RowType;

/**
 * Appends a stream to a Delta table, exactly once.
 *
 * <pre>{@code
 * DeltaSink<RowData> sink = DeltaSink.forRowData(rowType)
 *         .tablePath("s3://lake/raw/orders")
 *         .uid("raw-orders")
 *         .build();
 * stream.sinkTo(sink).uid("raw-orders");
 * }</pre>
 *
 * <p>Each completed checkpoint becomes one Delta commit with the files of all subtasks, which names the checkpoint. So
 * rows become visible with the checkpoint, and a failure at any point, followed by a restore from the newest completed
 * checkpoint or savepoint, neither loses nor doubles a row. Parallelism may change with a restore.
 *
 * <p>The guarantee needs checkpointing, a source that replays, and the same uid. How to lose it: start without state
 * under a new uid, or restore an older checkpoint under a new uid. With the same uid both are refused. Without
 * checkpointing, a bounded stream is committed once at its end, and an unbounded one never.
 *
 * @param <T> the record
 */
@PublicEvolving
public final class DeltaSink<T>
        implements Sink<T>, SupportsCommitter<CheckpointCommit>, SupportsPreCommitTopology<DataFile, CheckpointCommit> {

    private static final String AGGREGATOR = "Delta Checkpoint Aggregator";

    private final RecordEncoder<T> encoder;
    private final TableSettings table;
    private final WriterSettings files;

    @Nullable
    private final String uid;

    DeltaSink(RecordEncoder<T> encoder, TableSettings table, WriterSettings files, @Nullable String uid) {
        this.encoder = encoder;
        this.table = table;
        this.files = files;
        this.uid = uid;
    }

    /** A sink for Flink's internal rows. */
    public static DeltaSinkBuilder<RowData> forRowData(RowType rowType) {
        return new DeltaSinkBuilder<>(rowType, partitions -> new RowDataEncoder(rowType, partitions));
    }

    /**
     * A sink for any record.
     *
     * @param rowType the table's columns as the encoder writes them
     */
    public static <T> DeltaSinkBuilder<T> forRecords(RowType rowType, RecordEncoder<T> encoder) {
        return new DeltaSinkBuilder<>(rowType, partitions -> encoder);
    }

    @Override
    public SinkWriter<T> createWriter(WriterInitContext context) throws IOException {
        int subtask = context.getTaskInfo().getIndexOfThisSubtask();
        DataFileFactory<T> factory = new DataFileFactory<>(table, files, encoder, subtask);
        return new DeltaSinkWriter<>(new DataFiles<>(factory, files), context.metricGroup());
    }

    @Override
    public DataStream<CommittableMessage<CheckpointCommit>> addPreCommitTopology(
            DataStream<CommittableMessage<DataFile>> written) {
        return written.global()
                .transform(
                        AGGREGATOR,
                        CommittableMessageTypeInfo.of(CheckpointCommitSerializer::new),
                        new CheckpointAggregator(table, uid))
                .uid(AGGREGATOR)
                .setParallelism(1)
                .setMaxParallelism(1)
                // Flink gives the committer the sink's parallelism; all commits go to the first of its subtasks.
                .global();
    }

    @Override
    public Committer<CheckpointCommit> createCommitter(CommitterInitContext context) throws IOException {
        DeltaTable delta = new DeltaTable(table);
        TableCommitter committer = new TableCommitter(
                delta, context.getRestoredCheckpointId().orElse(0), new Backoff(table.maxCommitRetries()));
        return new DeltaCommitter(committer, new PostCommitHooks(delta.engine()), context.metricGroup());
    }

    @Override
    public SimpleVersionedSerializer<CheckpointCommit> getCommittableSerializer() {
        return new CheckpointCommitSerializer();
    }

    @Override
    public SimpleVersionedSerializer<DataFile> getWriteResultSerializer() {
        return new DataFileSerializer();
    }
}
