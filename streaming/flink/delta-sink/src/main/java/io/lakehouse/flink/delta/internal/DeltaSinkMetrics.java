package io.lakehouse.flink.delta.internal;

/** Names of the sink's own metrics, beside Flink's standard {@code numRecordsSend} and {@code numBytesSend}. */
public final class DeltaSinkMetrics {

    /** Writer: data files finished. */
    public static final String FILES_WRITTEN = "deltaFilesWritten";

    /** Writer: data files open now. */
    public static final String OPEN_FILES = "deltaOpenFiles";

    /** Committer: rows, bytes and files that commits have added since the job was started or restarted. */
    public static final String ROWS_COMMITTED = "deltaRowsCommitted";

    public static final String BYTES_COMMITTED = "deltaBytesCommitted";

    public static final String FILES_COMMITTED = "deltaFilesCommitted";

    /** Committer: attempts that had to be repeated. */
    public static final String COMMIT_RETRIES = "deltaCommitRetries";

    /** Committer: duration of the last commit, retries included, in milliseconds. */
    public static final String LAST_COMMIT_DURATION = "deltaLastCommitDurationMs";

    /** Committer: version of the table that the last commit made; -1 before the first. */
    public static final String LAST_COMMITTED_VERSION = "deltaLastCommittedVersion";

    /** Committer: the checkpoint that the last commit belonged to; 0 before the first. */
    public static final String LAST_COMMITTED_CHECKPOINT = "deltaLastCommittedCheckpoint";

    private DeltaSinkMetrics() {}
}
