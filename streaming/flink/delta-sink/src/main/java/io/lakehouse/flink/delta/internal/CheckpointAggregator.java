package io.lakehouse.flink.delta.internal;

import io.lakehouse.flink.delta.internal.commit.CheckpointCommit;
import io.lakehouse.flink.delta.internal.commit.SinkProgress;
import io.lakehouse.flink.delta.internal.parquet.DataFile;
import io.lakehouse.flink.delta.internal.table.DeltaTable;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.util.ArrayList;
import java.util.List;
import javax.annotation.Nullable;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.connector.sink2.CommittableMessage;
import org.apache.flink.streaming.api.connector.sink2.CommittableSummary;
import org.apache.flink.streaming.api.connector.sink2.CommittableWithLineage;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.BoundedOneInput;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Gathers the data files that all writers finished for a checkpoint into one commit. Runs once in the whole job, and so
 * is also where the table is created or checked, before the first row is committed, and where the sink's progress lives.
 */
public final class CheckpointAggregator extends AbstractStreamOperator<CommittableMessage<CheckpointCommit>>
        implements OneInputStreamOperator<CommittableMessage<DataFile>, CommittableMessage<CheckpointCommit>>,
                BoundedOneInput {

    private final TableSettings table;

    @Nullable
    private final String configuredUid;

    private transient List<DataFile> files;
    private transient SinkProgress progress;
    private transient long lastCheckpoint;

    public CheckpointAggregator(TableSettings table, @Nullable String configuredUid) {
        this.table = table;
        this.configuredUid = configuredUid;
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        files = new ArrayList<>();
        lastCheckpoint = context.getRestoredCheckpointId().orElse(0);
        progress = SinkProgress.restore(context, appIdOfNewSink());
        DeltaTable delta = new DeltaTable(table);
        progress.verify(delta, delta.createOrValidate());
    }

    /** Without a uid the sink is known by this job's id, which a restart keeps and a new submission does not. */
    private SinkProgress.Identity appIdOfNewSink() {
        String jobId = getContainingTask().getEnvironment().getJobID().toString();
        return new SinkProgress.Identity(configuredUid, "flink-%s-%s".formatted(jobId, getOperatorID()));
    }

    @Override
    public void processElement(StreamRecord<CommittableMessage<DataFile>> element) {
        if (element.getValue() instanceof CommittableWithLineage<DataFile> file) {
            files.add(file.getCommittable());
        }
    }

    /** All writers' files of this checkpoint are here: they come before the barrier, which waits for the slowest. */
    @Override
    public void prepareSnapshotPreBarrier(long checkpointId) {
        emit(checkpointId);
        lastCheckpoint = checkpointId;
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        progress.snapshot();
    }

    /** The rest counts as the checkpoint to come, which Flink takes, or which never comes where there are none. */
    @Override
    public void endInput() {
        emit(lastCheckpoint + 1);
    }

    private void emit(long checkpointId) {
        if (files.isEmpty()) {
            return;
        }
        CheckpointCommit commit = progress.next(checkpointId, List.copyOf(files));
        files.clear();
        output.collect(new StreamRecord<>(new CommittableSummary<>(0, 1, checkpointId, 1, 0)));
        output.collect(new StreamRecord<>(new CommittableWithLineage<>(commit, checkpointId, 0)));
    }
}
