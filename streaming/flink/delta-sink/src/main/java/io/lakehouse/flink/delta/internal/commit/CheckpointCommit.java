package io.lakehouse.flink.delta.internal.commit;

import io.lakehouse.flink.delta.internal.parquet.DataFile;
import java.util.List;

/**
 * Everything that one checkpoint adds to the table, from all subtasks: the committable.
 *
 * @param appId the sink's identity in the table, the {@code appId} of its Delta {@code txn}
 * @param checkpoint id of the checkpoint, the {@code version} of that {@code txn}
 * @param previous the checkpoint before it in this job that added anything; 0 for the first. It is what the table has
 *     to be at, or another job wrote under the same {@code appId}, or the table lost commits.
 * @param token a random number that tells this commit from one that another job makes for the same checkpoint id
 * @param files the files to add; never empty
 */
public record CheckpointCommit(String appId, long checkpoint, long previous, long token, List<DataFile> files) {

    public long rows() {
        return files.stream().mapToLong(DataFile::rows).sum();
    }

    public long bytes() {
        return files.stream().mapToLong(DataFile::size).sum();
    }
}
