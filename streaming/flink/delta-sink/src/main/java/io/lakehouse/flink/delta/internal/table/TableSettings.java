package io.lakehouse.flink.delta.internal.table;

import io.lakehouse.flink.delta.SchemaEvolution;
import java.io.Serializable;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.types.logical.RowType;

/**
 * Which table, and how it is to look. Travels with the job graph, so it holds nothing but serializable values.
 *
 * @param path location of the table, with or without a scheme
 * @param rowType the columns that the sink writes, partition columns included
 * @param partitionColumns names of partition columns, in order
 * @param properties Delta table properties to create the table with; those of an existing table are left alone
 * @param hadoopOptions Hadoop configuration on top of what is on the class path, S3 credentials for example
 * @param schemaEvolution what to do when the table lacks a column
 * @param maxCommitRetries attempts after the first, when other writers commit at the same time
 */
public record TableSettings(
        String path,
        RowType rowType,
        List<String> partitionColumns,
        Map<String, String> properties,
        Map<String, String> hadoopOptions,
        SchemaEvolution schemaEvolution,
        int maxCommitRetries)
        implements Serializable {}
