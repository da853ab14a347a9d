package io.lakehouse.flink.delta.internal.commit;

import io.delta.kernel.Snapshot;
import io.delta.kernel.data.Row;
import io.delta.kernel.engine.Engine;
import io.delta.kernel.internal.actions.SetTransaction;
import io.delta.kernel.internal.actions.SingleAction;
import java.util.Optional;
import org.apache.flink.annotation.VisibleForTesting;

/**
 * A sink's progress as the table holds it: two Delta {@code txn} actions in each of its commits.
 *
 * <p>The first, {@code appId}, has the checkpoint id: how Delta writers mark what they have committed. Checkpoint ids
 * alone cannot tell two jobs apart that run from the same savepoint, each of which numbers its own checkpoint N. So the
 * second, {@code appId/token}, has the random token of the commit.
 */
public final class TableProgress {

    private static final String TOKEN_SUFFIX = "/token";

    private TableProgress() {}

    /** @return empty when the table holds nothing of this {@code appId} */
    @VisibleForTesting
    public static Optional<Progress> read(Engine engine, Snapshot snapshot, String appId) {
        return snapshot.getLatestTransactionVersion(engine, appId).map(checkpoint -> {
            // No token stands where another kind of writer used the same appId: then 0, which no commit of ours has.
            long token = snapshot.getLatestTransactionVersion(engine, appId + TOKEN_SUFFIX)
                    .orElse(0L);
            return new Progress(appId, checkpoint, token);
        });
    }

    /** The second action; Kernel writes the first. */
    static Row tokenAction(CheckpointCommit commit) {
        SetTransaction token = new SetTransaction(
                commit.appId() + TOKEN_SUFFIX, commit.token(), Optional.of(System.currentTimeMillis()));
        return SingleAction.createTxnSingleAction(token.toRow());
    }
}
