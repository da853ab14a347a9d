package io.lakehouse.flink.delta.internal.parquet;

import java.io.Serializable;
import java.util.Set;

/**
 * How data files are cut and encoded.
 *
 * @param rollAtBytes a file of that size is closed and the next one begun; negative: no limit
 * @param rollAtRows likewise by number of rows
 * @param maxOpenFiles files open at a time in one subtask; beyond, the least recently written is closed
 * @param memory heap bytes that the open files of one subtask may fill between them
 * @param compression Parquet codec name
 * @param plainColumns columns to write without a dictionary: unique values only fill one up for nothing
 */
public record WriterSettings(
        long rollAtBytes, long rollAtRows, int maxOpenFiles, long memory, String compression, Set<String> plainColumns)
        implements Serializable {

    private static final long LARGEST_ROW_GROUP = 128L << 20;
    private static final long SMALLEST_ROW_GROUP = 1L << 20;

    /** Parquet holds a row group on the heap until it is full, so all open files together fill the memory at most. */
    long rowGroupBytes(boolean partitioned) {
        long share = partitioned ? memory / maxOpenFiles : memory;
        return Math.max(SMALLEST_ROW_GROUP, Math.min(LARGEST_ROW_GROUP, share));
    }
}
