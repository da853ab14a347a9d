package io.lakehouse.flink.delta.internal.commit;

import io.delta.kernel.Snapshot;
import io.lakehouse.flink.delta.internal.parquet.DataFile;
import io.lakehouse.flink.delta.internal.table.DeltaTable;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ThreadLocalRandom;
import javax.annotation.Nullable;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.streaming.api.operators.util.SimpleVersionedListState;

/**
 * The sink's {@link Progress} in Flink's state, and whether it agrees with the table's.
 *
 * <p>A checkpoint's commit is made only after the checkpoint is complete. So a job that was restored finds the table
 * either behind its state (the crash came before the commit, which is repeated) or at it (the crash came after). A table
 * that is ahead means that rows were committed which this job is about to read again.
 */
public final class SinkProgress {

    private static final ListStateDescriptor<byte[]> DESCRIPTOR =
            new ListStateDescriptor<>("delta-sink-progress", BytePrimitiveArraySerializer.INSTANCE);

    /** The configured uid, if any, and the one to use for a sink that has neither that nor state. */
    public record Identity(@Nullable String configured, String fallback) {}

    private final ListState<Progress> state;
    private final OptionalLong restoredCheckpoint;
    private Progress progress;

    private SinkProgress(ListState<Progress> state, OptionalLong restoredCheckpoint, Progress progress) {
        this.state = state;
        this.restoredCheckpoint = restoredCheckpoint;
        this.progress = progress;
    }

    /** A configured uid that differs from the one in state begins a new sink, with nothing committed. */
    public static SinkProgress restore(StateInitializationContext context, Identity identity) throws Exception {
        ListState<Progress> state = new SimpleVersionedListState<>(
                context.getOperatorStateStore().getListState(DESCRIPTOR), new ProgressSerializer());
        Iterator<Progress> stored = state.get().iterator();
        Optional<Progress> restored = stored.hasNext() ? Optional.of(stored.next()) : Optional.empty();
        String appId = identity.configured() != null
                ? identity.configured()
                : restored.map(Progress::appId).orElse(identity.fallback());
        Optional<Progress> own = restored.filter(progress -> progress.appId().equals(appId));
        return new SinkProgress(
                state,
                own.isPresent() ? context.getRestoredCheckpointId() : OptionalLong.empty(),
                own.orElse(Progress.start(appId)));
    }

    /** @throws CommitConflictException when the table holds what this job's state does not know of */
    public void verify(DeltaTable table, Snapshot snapshot) throws CommitConflictException {
        Optional<Progress> inTable = TableProgress.read(table.engine(), snapshot, progress.appId());
        if (inTable.isEmpty()) {
            return;
        }
        Progress found = inTable.get();
        if (restoredCheckpoint.isEmpty()) {
            throw CommitConflictException.startedWithoutState(table.path(), found.appId(), found.checkpoint());
        }
        if (found.checkpoint() > progress.checkpoint()) {
            throw CommitConflictException.restoredTooOld(
                    table.path(),
                    found.appId(),
                    restoredCheckpoint.getAsLong(),
                    progress.checkpoint(),
                    found.checkpoint());
        }
        if (found.checkpoint() == progress.checkpoint() && found.token() != progress.token()) {
            throw CommitConflictException.notOurs(table.path(), found.appId(), found.checkpoint());
        }
    }

    /** The next commit of this sink; from now on it is what the sink has come to. */
    public CheckpointCommit next(long checkpoint, List<DataFile> files) {
        // Never 0, which stands for no token.
        long token = ThreadLocalRandom.current().nextLong(1, Long.MAX_VALUE);
        CheckpointCommit commit =
                new CheckpointCommit(progress.appId(), checkpoint, progress.checkpoint(), token, files);
        progress = new Progress(progress.appId(), checkpoint, token);
        return commit;
    }

    public void snapshot() throws Exception {
        state.update(List.of(progress));
    }
}
