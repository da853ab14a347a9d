package io.lakehouse.flink.jobs.run;

import io.delta.kernel.TableManager;
import io.delta.kernel.defaults.engine.DefaultEngine;
import io.lakehouse.flink.delta.internal.table.HadoopSettings;
import java.io.IOException;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * The Delta tables below one root.
 *
 * @param root a path or {@code s3://bucket/prefix}
 * @param hadoopOptions Hadoop's configuration on top of what is on the class path
 */
public record Tables(String root, Map<String, String> hadoopOptions) {

    /** Where the table {@code schema.table} is. */
    public String location(String table) {
        return root + "/" + table.replace('.', '/');
    }

    /**
     * The platform creates tables, with comments and properties of their contract that no sink knows: a table that a sink
     * made in passing would lack these.
     *
     * @return where the table is
     * @throws IllegalStateException when it does not exist
     */
    public String existing(String table) throws IOException {
        Path log = new Path(location(table), "_delta_log");
        FileSystem files = log.getFileSystem(HadoopSettings.configuration(hadoopOptions));
        if (!files.exists(log)) {
            throw new IllegalStateException(
                    ("There is no Delta table %s at %s. `lakehouse` creates it from its contract"
                                    + " before it submits a job: submit the job with it, or mend --tables.")
                            .formatted(table, location(table)));
        }
        return location(table);
    }

    /** The properties that the table has. */
    public Map<String, String> properties(String table) throws IOException {
        Configuration hadoop = HadoopSettings.configuration(hadoopOptions);
        return TableManager.loadSnapshot(existing(table))
                .build(DefaultEngine.create(hadoop))
                .getTableProperties();
    }
}
