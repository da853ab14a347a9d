package io.lakehouse.flink.delta.internal.commit;

import io.delta.kernel.hook.PostCommitHook;
import java.util.List;

/**
 * What became of a commit.
 *
 * @param version the table's version afterwards
 * @param added false when the commit was in the table already
 * @param retries attempts that other writers or the storage made fail
 * @param nanoseconds duration of all attempts
 * @param hooks upkeep of the log that is due
 */
public record CommitOutcome(long version, boolean added, int retries, long nanoseconds, List<PostCommitHook> hooks) {}
