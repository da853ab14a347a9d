package io.lakehouse.flink.delta.internal.table;

import io.lakehouse.delta.storage.ConditionalPutLogStore;
import io.lakehouse.delta.storage.HardLinkLogStore;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;

/** The Hadoop configuration behind data files and commits. */
public final class HadoopSettings {

    private static final String LOG_STORE = "io.delta.kernel.logStore.%s.impl";

    private HadoopSettings() {}

    /**
     * What is on the class path ({@code core-site.xml}), then this sink's defaults, then {@code options}.
     *
     * <p>The defaults choose log stores whose commits no concurrent writer can overwrite. Delta's own can lose commits
     * on S3 and on local disks.
     */
    public static Configuration configuration(Map<String, String> options) {
        Configuration configuration = new Configuration();
        configuration.set(LOG_STORE.formatted("file"), HardLinkLogStore.class.getName());
        for (String scheme : List.of("s3", "s3a")) {
            configuration.set(LOG_STORE.formatted(scheme), ConditionalPutLogStore.class.getName());
        }
        configuration.set("fs.s3.impl", "org.apache.hadoop.fs.s3a.S3AFileSystem");
        configuration.set("fs.file.impl", PlainLocalFileSystem.class.getName());
        configuration.setBoolean("fs.file.impl.disable.cache", true);
        options.forEach(configuration::set);
        return configuration;
    }
}
