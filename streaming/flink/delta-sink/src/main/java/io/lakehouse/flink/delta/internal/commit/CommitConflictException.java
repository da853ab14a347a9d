package io.lakehouse.flink.delta.internal.commit;

import java.io.IOException;
import org.apache.flink.runtime.throwable.ThrowableAnnotation;
import org.apache.flink.runtime.throwable.ThrowableType;

/**
 * A commit that must not be made, now or later: what the table holds contradicts what the job's state says. A restart
 * begins with the same state, so the job fails for good instead of trying again.
 */
@ThrowableAnnotation(ThrowableType.NonRecoverableError)
public final class CommitConflictException extends IOException {

    private static final String REMEDY =
            """
             Stop the other job if there is one, and start this one from its newest checkpoint or savepoint. To start over \
            instead, choose a new uid: the rows that the job reads again are then written again.""";

    private CommitConflictException(String message) {
        super(message + REMEDY);
    }

    static CommitConflictException startedWithoutState(String table, String appId, long inTable) {
        return new CommitConflictException(
                ("The job starts without state, but the Delta table %s already holds its commits up to checkpoint %d, under"
                                + " the uid '%s'. Numbering checkpoints anew, the job would have its rows taken for written.")
                        .formatted(table, inTable, appId));
    }

    static CommitConflictException restoredTooOld(
            String table, String appId, long restored, long inState, long inTable) {
        return new CommitConflictException(
                ("The job was restored from checkpoint %d, which has committed up to checkpoint %d, but the Delta table %s"
                                + " already holds checkpoint %d of the uid '%s'. The rows in between would be written twice.")
                        .formatted(restored, inState, table, inTable, appId));
    }

    static CommitConflictException notOurs(String table, String appId, long checkpoint) {
        return new CommitConflictException(
                ("Checkpoint %d of the uid '%s' is in the Delta table %s, but another job put it there: two jobs run from the"
                                + " same state.")
                        .formatted(checkpoint, appId, table));
    }

    static CommitConflictException outOfStep(String table, CheckpointCommit commit, String inTable) {
        return new CommitConflictException(
                ("Checkpoint %d of the uid '%s' follows checkpoint %d, but the Delta table %s holds %s: another job writes"
                                + " under the same uid, or the table was restored or replaced.")
                        .formatted(commit.checkpoint(), commit.appId(), commit.previous(), table, inTable));
    }
}
