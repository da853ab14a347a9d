package io.lakehouse.flink.delta.internal.commit;

import io.delta.kernel.DataWriteContext;
import io.delta.kernel.Operation;
import io.delta.kernel.Snapshot;
import io.delta.kernel.Transaction;
import io.delta.kernel.TransactionCommitResult;
import io.delta.kernel.data.Row;
import io.delta.kernel.engine.Engine;
import io.delta.kernel.exceptions.CommitStateUnknownException;
import io.delta.kernel.exceptions.ConcurrentWriteException;
import io.delta.kernel.exceptions.KernelEngineException;
import io.delta.kernel.exceptions.MaxCommitRetryLimitReachedException;
import io.delta.kernel.hook.PostCommitHook.PostCommitHookType;
import io.delta.kernel.internal.util.Utils;
import io.delta.kernel.statistics.DataFileStatistics;
import io.delta.kernel.transaction.UpdateTableTransactionBuilder;
import io.delta.kernel.types.StructType;
import io.delta.kernel.utils.CloseableIterable;
import io.delta.kernel.utils.CloseableIterator;
import io.delta.kernel.utils.DataFileStatus;
import io.lakehouse.flink.delta.internal.parquet.DataFile;
import io.lakehouse.flink.delta.internal.table.DeltaTable;
import io.lakehouse.flink.delta.internal.table.PartitionLiterals;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.table.api.ValidationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes one Delta commit of a checkpoint, exactly once.
 *
 * <p>Before each attempt the table says how far it is. At the checkpoint before: commit. At this checkpoint, with this
 * commit's token: it is there already, from before a crash. Anything else is a conflict, and fails. As the check and the
 * commit refer to the same table version, and only one writer can create the next one, nothing comes between them.
 *
 * <p>Other writers may commit in between, compaction for example. An append does not depend on what they did as long as
 * the table still fits the sink, so it is tried again on the newer version, a bounded number of times.
 */
public final class TableCommitter {

    private static final Logger LOG = LoggerFactory.getLogger(TableCommitter.class);

    /**
     * Names the one table whose commits neither look nor tell how far it is. What Flink asks for again after a restore is
     * committed again, and a restore from an older checkpoint doubles rows: how tests show that they would notice.
     */
    private static final String UNGUARDED =
            System.getProperty("io.lakehouse.flink.delta.test.table-whose-rows-are-to-be-doubled");

    private final DeltaTable table;
    private final boolean guarded;
    private final PartitionLiterals partitions;
    private final long restoredCheckpoint;
    private final Backoff backoff;
    private Snapshot snapshot;

    /** @param restoredCheckpoint the checkpoint that the job was restored from; 0 for none */
    public TableCommitter(DeltaTable table, long restoredCheckpoint, Backoff backoff) {
        this.table = table;
        this.guarded = !table.path().equals(UNGUARDED);
        this.partitions = new PartitionLiterals(table.schema(), table.partitionColumns());
        this.restoredCheckpoint = restoredCheckpoint;
        this.backoff = backoff;
    }

    /**
     * @throws CommitConflictException when the table contradicts the job's state
     * @throws ValidationException when the table's schema does not fit the sink any more
     * @throws IOException when the storage fails, or other writers won every attempt
     */
    public CommitOutcome commit(CheckpointCommit commit) throws IOException, InterruptedException {
        long start = System.nanoTime();
        for (int retries = 0; ; retries++) {
            try {
                Snapshot current = snapshot == null ? table.reload() : snapshot;
                // Kept again only after a success: a failed attempt may have reached the table all the same.
                snapshot = null;
                if (guarded && alreadyThere(commit, current)) {
                    // After a retry it was this call's own attempt that got through, although the storage said no.
                    boolean added = retries > 0;
                    return new CommitOutcome(
                            current.getVersion(), added, retries, System.nanoTime() - start, List.of());
                }
                TransactionCommitResult result = append(commit, current);
                snapshot = logCheckpointDue(result)
                        ? null
                        : result.getPostCommitSnapshot().orElse(null);
                return new CommitOutcome(
                        result.getVersion(), true, retries, System.nanoTime() - start, result.getPostCommitHooks());
            } catch (ConcurrentWriteException
                    | MaxCommitRetryLimitReachedException
                    | CommitStateUnknownException
                    | KernelEngineException
                    | UncheckedIOException e) {
                if (!backoff.pause(retries)) {
                    throw new IOException(
                            ("Checkpoint %d could not be committed to the Delta table %s in %d attempts. If other writers keep"
                                            + " it busy, run maintenance less often or raise commit.max_retries.")
                                    .formatted(commit.checkpoint(), table.path(), retries + 1),
                            e);
                }
                LOG.info("Commit of checkpoint {} to {} failed, trying again", commit.checkpoint(), table.path(), e);
            }
        }
    }

    private boolean alreadyThere(CheckpointCommit commit, Snapshot current) throws CommitConflictException {
        Optional<Progress> found = TableProgress.read(table.engine(), current, commit.appId());
        long inTable = found.map(Progress::checkpoint).orElse(0L);
        if (inTable == commit.previous()) {
            return false;
        }
        if (inTable == commit.checkpoint()) {
            if (found.get().token() != commit.token()) {
                throw CommitConflictException.notOurs(table.path(), commit.appId(), inTable);
            }
            LOG.info(
                    "Checkpoint {} is already in {}, at version {} or before",
                    inTable,
                    table.path(),
                    current.getVersion());
            return true;
        }
        // Of several checkpoints that wait in restored state, the table may hold a later one. Whether that is this
        // job's own is checked by the later one's token, here or at start (CheckpointAggregator).
        if (inTable > commit.checkpoint() && commit.checkpoint() <= restoredCheckpoint) {
            return true;
        }
        throw CommitConflictException.outOfStep(
                table.path(), commit, found.isPresent() ? "checkpoint " + inTable : "no checkpoint of it");
    }

    private TransactionCommitResult append(CheckpointCommit commit, Snapshot current) {
        Engine engine = table.engine();
        UpdateTableTransactionBuilder builder = current.buildUpdateTableTransaction(
                        DeltaTable.ENGINE_INFO, Operation.STREAMING_UPDATE)
                // Kernel's own retries neither wait nor look at the token: the loop above does.
                .withMaxRetries(0);
        List<Row> actions = new ArrayList<>();
        if (guarded) {
            builder = builder.withTransactionId(commit.appId(), commit.checkpoint());
            actions.add(TableProgress.tokenAction(commit));
        }
        Transaction transaction = builder.build(engine);
        Row state = transaction.getTransactionState(engine);
        byPartition(commit.files()).forEach((partition, files) -> {
            DataWriteContext context = Transaction.getWriteContext(engine, state, partitions.literals(partition));
            CloseableIterator<DataFileStatus> statuses = Utils.toCloseableIterator(
                    files.stream().map(TableCommitter::status).iterator());
            Transaction.generateAppendActions(engine, state, statuses, context).forEachRemaining(actions::add);
        });
        return transaction.commit(
                engine, CloseableIterable.inMemoryIterable(Utils.toCloseableIterator(actions.iterator())));
    }

    /** Snapshots that follow one another list ever more commits, until one begins at a checkpoint of the log again. */
    private static boolean logCheckpointDue(TransactionCommitResult result) {
        return result.getPostCommitHooks().stream().anyMatch(hook -> hook.getType() == PostCommitHookType.CHECKPOINT);
    }

    private static Map<List<Object>, List<DataFile>> byPartition(List<DataFile> files) {
        Map<List<Object>, List<DataFile>> byPartition = new LinkedHashMap<>();
        files.forEach(file -> byPartition
                .computeIfAbsent(file.partition(), partition -> new ArrayList<>())
                .add(file));
        return byPartition;
    }

    private static DataFileStatus status(DataFile file) {
        return new DataFileStatus(
                file.path(), file.size(), file.modificationTime(), Optional.of(new StoredStatistics(file)));
    }

    /** Statistics that the writer has put into their final form: parsing them again could only lose digits. */
    private static final class StoredStatistics extends DataFileStatistics {

        private final String json;

        StoredStatistics(DataFile file) {
            super(file.rows(), Map.of(), Map.of(), Map.of(), Optional.empty());
            this.json = file.statistics();
        }

        @Override
        public String serializeAsJson(StructType physicalSchema) {
            return json;
        }
    }
}
