package io.lakehouse.flink.delta.internal.table;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;

/**
 * Hadoop's local file system without a checksum file beside each file, which no other writer of Delta keeps and no
 * reader checks. A subclass and not {@code RawLocalFileSystem}, because Hadoop itself casts to this one.
 */
public final class PlainLocalFileSystem extends LocalFileSystem {

    public PlainLocalFileSystem() {
        super(new LocalFiles());
    }

    @Override
    public void initialize(URI name, Configuration configuration) throws IOException {
        super.initialize(name, configuration);
        setWriteChecksum(false);
        setVerifyChecksum(false);
    }

    /**
     * Without Hadoop's native library each new file would have its permissions from a process of {@code chmod}: slow, and
     * one that is just being started when this JVM is killed stays behind.
     */
    private static final class LocalFiles extends RawLocalFileSystem {

        @Override
        public void setPermission(Path path, FsPermission permission) throws IOException {
            PosixFileAttributeView file =
                    Files.getFileAttributeView(pathToFile(path).toPath(), PosixFileAttributeView.class);
            if (file == null) {
                super.setPermission(path, permission);
                return;
            }
            // Without a sticky bit, which Java cannot set and no file of a table has.
            String letters = new FsPermission(
                            permission.getUserAction(), permission.getGroupAction(), permission.getOtherAction())
                    .toString();
            file.setPermissions(PosixFilePermissions.fromString(letters));
        }
    }
}
