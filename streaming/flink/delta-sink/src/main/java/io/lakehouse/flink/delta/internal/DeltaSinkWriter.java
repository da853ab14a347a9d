package io.lakehouse.flink.delta.internal;

import io.lakehouse.flink.delta.internal.parquet.DataFile;
import io.lakehouse.flink.delta.internal.parquet.DataFiles;
import java.io.IOException;
import java.util.Collection;
import java.util.List;
import org.apache.flink.api.connector.sink2.CommittingSinkWriter;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.groups.SinkWriterMetricGroup;

/**
 * Writes one subtask's records into data files, and hands the finished files over with each checkpoint.
 *
 * <p>It keeps no state: what was written since the last checkpoint is written again after a failure, into new files.
 */
public final class DeltaSinkWriter<T> implements CommittingSinkWriter<T, DataFile> {

    private final DataFiles<T> files;
    private final Counter rows;
    private final Counter bytes;
    private final Counter filesWritten;

    public DeltaSinkWriter(DataFiles<T> files, SinkWriterMetricGroup metrics) {
        this.files = files;
        this.rows = metrics.getNumRecordsSendCounter();
        this.bytes = metrics.getNumBytesSendCounter();
        this.filesWritten = metrics.counter(DeltaSinkMetrics.FILES_WRITTEN);
        metrics.gauge(DeltaSinkMetrics.OPEN_FILES, files::openFiles);
    }

    @Override
    public void write(T element, Context context) throws IOException {
        files.write(element);
        rows.inc();
    }

    /** Nothing to do: files are finished in {@link #prepareCommit}, which Flink calls right after. */
    @Override
    public void flush(boolean endOfInput) {}

    @Override
    public Collection<DataFile> prepareCommit() throws IOException {
        List<DataFile> finished = files.takeFinished();
        filesWritten.inc(finished.size());
        bytes.inc(finished.stream().mapToLong(DataFile::size).sum());
        return finished;
    }

    @Override
    public void close() {
        files.close();
    }
}
