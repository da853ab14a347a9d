package io.lakehouse.flink.delta.internal;

import io.delta.kernel.hook.PostCommitHook;
import io.lakehouse.flink.delta.internal.commit.CheckpointCommit;
import io.lakehouse.flink.delta.internal.commit.CommitOutcome;
import io.lakehouse.flink.delta.internal.commit.TableCommitter;
import io.lakehouse.flink.delta.internal.table.PostCommitHooks;
import java.io.IOException;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.connector.sink2.Committer;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.groups.SinkCommitterMetricGroup;

/**
 * Commits checkpoints in their order once Flink says that they are complete.
 *
 * <p>The log's upkeep runs beside: a checkpoint of a large table's log takes seconds, in which rows should not wait.
 */
public final class DeltaCommitter implements Committer<CheckpointCommit> {

    private static final long UPKEEP_SECONDS_AT_END = 10;

    private final TableCommitter committer;
    private final PostCommitHooks hooks;
    private final ExecutorService upkeep;
    private final Counter rows;
    private final Counter bytes;
    private final Counter files;
    private final Counter retries;
    private volatile long durationMillis;
    private volatile long version = -1;
    private volatile long checkpoint;

    public DeltaCommitter(TableCommitter committer, PostCommitHooks hooks, SinkCommitterMetricGroup metrics) {
        this.committer = committer;
        this.hooks = hooks;
        this.upkeep = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "delta-log-upkeep");
            thread.setDaemon(true);
            return thread;
        });
        this.rows = metrics.counter(DeltaSinkMetrics.ROWS_COMMITTED);
        this.bytes = metrics.counter(DeltaSinkMetrics.BYTES_COMMITTED);
        this.files = metrics.counter(DeltaSinkMetrics.FILES_COMMITTED);
        this.retries = metrics.counter(DeltaSinkMetrics.COMMIT_RETRIES);
        metrics.gauge(DeltaSinkMetrics.LAST_COMMIT_DURATION, () -> durationMillis);
        metrics.gauge(DeltaSinkMetrics.LAST_COMMITTED_VERSION, () -> version);
        metrics.gauge(DeltaSinkMetrics.LAST_COMMITTED_CHECKPOINT, () -> checkpoint);
    }

    @Override
    public void commit(Collection<CommitRequest<CheckpointCommit>> requests) throws IOException, InterruptedException {
        List<CheckpointCommit> commits = requests.stream()
                .map(CommitRequest::getCommittable)
                .sorted(Comparator.comparingLong(CheckpointCommit::checkpoint))
                .toList();
        for (CheckpointCommit commit : commits) {
            CommitOutcome outcome = committer.commit(commit);
            record(commit, outcome);
            List<PostCommitHook> due = outcome.hooks();
            upkeep.execute(() -> hooks.run(due));
        }
    }

    private void record(CheckpointCommit commit, CommitOutcome outcome) {
        if (outcome.added()) {
            rows.inc(commit.rows());
            bytes.inc(commit.bytes());
            files.inc(commit.files().size());
        }
        retries.inc(outcome.retries());
        durationMillis = TimeUnit.NANOSECONDS.toMillis(outcome.nanoseconds());
        version = outcome.version();
        checkpoint = commit.checkpoint();
    }

    @Override
    public void close() {
        upkeep.shutdown();
        try {
            if (!upkeep.awaitTermination(UPKEEP_SECONDS_AT_END, TimeUnit.SECONDS)) {
                upkeep.shutdownNow();
            }
        } catch (InterruptedException e) {
            upkeep.shutdownNow();
            Thread.currentThread().interrupt();
        }
    }
}
