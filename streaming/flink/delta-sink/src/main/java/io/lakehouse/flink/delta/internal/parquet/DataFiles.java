package io.lakehouse.flink.delta.internal.parquet;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Sorts records into data files, one open file a partition.
 *
 * <p>Partitions without end would mean open files without end, so only the most recently written ones stay open. A
 * partition whose file was closed simply gets another one.
 */
public final class DataFiles<T> implements AutoCloseable {

    private final DataFileFactory<T> factory;
    private final int maxOpen;
    private final Object[] partitionValues;
    private final Map<PartitionKey, OpenFile<T>> open = new LinkedHashMap<>(16, 0.75f, true);
    private final List<DataFile> finished = new ArrayList<>();
    private PartitionKey current;
    private OpenFile<T> currentFile;

    public DataFiles(DataFileFactory<T> factory, WriterSettings settings) {
        this.factory = factory;
        this.maxOpen = settings.maxOpenFiles();
        this.partitionValues = new Object[factory.partitionColumns()];
    }

    public void write(T record) throws IOException {
        OpenFile<T> file = fileOf(record);
        file.write(record);
        if (file.full()) {
            finish(current);
        }
    }

    public int openFiles() {
        return open.size();
    }

    /** Finishes all open files, and hands over what was finished since the last call. */
    public List<DataFile> takeFinished() throws IOException {
        for (PartitionKey partition : List.copyOf(open.keySet())) {
            finish(partition);
        }
        List<DataFile> taken = List.copyOf(finished);
        finished.clear();
        return taken;
    }

    /** Gives up the files that are still open. Finished ones stay: a vacuum of the table removes what no commit names. */
    @Override
    public void close() {
        open.values().forEach(OpenFile::abort);
        open.clear();
        forgetCurrent();
    }

    private OpenFile<T> fileOf(T record) throws IOException {
        if (factory.partitioned()) {
            factory.partition(record, partitionValues);
        }
        // Neighbouring records mostly share a partition, which spares the look-up.
        if (currentFile != null && current.matches(partitionValues)) {
            return currentFile;
        }
        PartitionKey partition = factory.partitioned() ? PartitionKey.copyOf(partitionValues) : PartitionKey.NONE;
        OpenFile<T> file = open.get(partition);
        if (file == null) {
            if (open.size() >= maxOpen) {
                finish(leastRecentlyWritten());
            }
            file = factory.open(partition);
            open.put(partition, file);
        }
        current = partition;
        currentFile = file;
        return file;
    }

    private PartitionKey leastRecentlyWritten() {
        Iterator<PartitionKey> partitions = open.keySet().iterator();
        return partitions.next();
    }

    private void finish(PartitionKey partition) throws IOException {
        OpenFile<T> file = open.get(partition);
        finished.add(file.finish());
        open.remove(partition);
        forgetCurrent();
    }

    private void forgetCurrent() {
        current = null;
        currentFile = null;
    }
}
