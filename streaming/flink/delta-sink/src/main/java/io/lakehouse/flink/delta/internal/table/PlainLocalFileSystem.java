package io.lakehouse.flink.delta.internal.table;

import java.io.IOException;
import java.net.URI;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.LocalFileSystem;

/**
 * Hadoop's local file system without a checksum file beside each file, which no other writer of Delta keeps and no
 * reader checks. A subclass and not {@code RawLocalFileSystem}, because Hadoop itself casts to this one.
 */
public final class PlainLocalFileSystem extends LocalFileSystem {

    @Override
    public void initialize(URI name, Configuration configuration) throws IOException {
        super.initialize(name, configuration);
        setWriteChecksum(false);
        setVerifyChecksum(false);
    }
}
