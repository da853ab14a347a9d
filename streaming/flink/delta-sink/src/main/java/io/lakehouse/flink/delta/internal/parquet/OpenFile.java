package io.lakehouse.flink.delta.internal.parquet;

import java.io.IOException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A data file being written: decides when it is full, and either finishes it or gives it up. */
final class OpenFile<T> {

    private static final Logger LOG = LoggerFactory.getLogger(OpenFile.class);

    /** Asking Parquet for the size costs a pass over the columns, so not for every row. */
    private static final long MAX_ROWS_BETWEEN_SIZE_CHECKS = 1000;

    private final DataFileFactory<T> factory;
    private final WriterSettings settings;
    private final PartitionKey partition;
    private final CountedOutputFile file;
    private final DataFileWriter<T> writer;
    private long nextSizeCheck = 1;

    OpenFile(
            DataFileFactory<T> factory,
            WriterSettings settings,
            PartitionKey partition,
            CountedOutputFile file,
            DataFileWriter<T> writer) {
        this.factory = factory;
        this.settings = settings;
        this.partition = partition;
        this.file = file;
        this.writer = writer;
    }

    void write(T record) throws IOException {
        writer.write(record);
    }

    boolean full() {
        long rows = writer.rows();
        if (settings.rollAtRows() >= 0 && rows >= settings.rollAtRows()) {
            return true;
        }
        if (settings.rollAtBytes() < 0 || rows < nextSizeCheck) {
            return false;
        }
        long bytes = writer.bytes();
        // Half of the way that is left at the average row size: large rows are checked often, small ones seldom.
        long rowsLeft = (settings.rollAtBytes() - bytes) / Math.max(1, bytes / rows);
        nextSizeCheck = rows + Math.max(1, Math.min(MAX_ROWS_BETWEEN_SIZE_CHECKS, rowsLeft / 2));
        return bytes >= settings.rollAtBytes();
    }

    DataFile finish() throws IOException {
        writer.close();
        return factory.describe(file, writer, partition);
    }

    /** Closes and removes the file; never throws, as it runs when something has failed already. */
    void abort() {
        try {
            writer.close();
        } catch (IOException | RuntimeException e) {
            LOG.debug("{} could not be closed; it is removed all the same", file.getPath(), e);
        }
        try {
            file.delete();
        } catch (IOException e) {
            LOG.warn("{} is left behind; a vacuum of the table removes it", file.getPath(), e);
        }
    }
}
