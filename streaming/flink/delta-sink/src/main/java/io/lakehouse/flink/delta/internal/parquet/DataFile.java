package io.lakehouse.flink.delta.internal.parquet;

import java.util.List;

/**
 * A finished Parquet file that no reader sees before a Delta commit names it.
 *
 * @param path full path
 * @param size bytes
 * @param modificationTime milliseconds since the epoch
 * @param rows number of rows
 * @param partition values of the partition columns, in order; Java objects as in {@code RecordEncoder#partition}
 * @param statistics Delta statistics as JSON
 */
public record DataFile(
        String path, long size, long modificationTime, long rows, List<Object> partition, String statistics) {}
