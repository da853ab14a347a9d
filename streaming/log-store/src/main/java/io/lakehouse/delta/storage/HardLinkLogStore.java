package io.lakehouse.delta.storage;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.Iterator;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Commits to a table on a local file system so that exactly one of several concurrent writers wins a version.
 *
 * <p>Delta's own stores look whether the commit file exists and then rename onto it. POSIX {@code rename} replaces what
 * is there, so a commit that another process (delta-rs, another JVM) makes between the two steps vanishes without an
 * error. A hard link instead is created only where nothing exists, in one step; delta-rs commits the same way.
 *
 * <p>The guarantee needs a file system with hard links, and is lost if another writer of the table renames over commits.
 *
 * <p>Use: {@code io.delta.kernel.logStore.file.impl} (Delta Kernel) or {@code spark.delta.logStore.file.impl} (Spark).
 */
public final class HardLinkLogStore extends HadoopFileSystemLogStore {

    public HardLinkLogStore(Configuration hadoopConf) {
        super(hadoopConf);
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf)
            throws IOException {
        java.nio.file.Path target = java.nio.file.Path.of(path.toUri().getPath());
        java.nio.file.Path staged =
                target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (BufferedWriter out = Files.newBufferedWriter(staged, StandardCharsets.UTF_8)) {
                while (actions.hasNext()) {
                    out.write(actions.next());
                    out.write('\n');
                }
            }
            if (overwrite) {
                Files.move(staged, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } else {
                link(target, staged);
            }
        } finally {
            Files.deleteIfExists(staged);
        }
    }

    private static void link(java.nio.file.Path target, java.nio.file.Path staged) throws IOException {
        try {
            Files.createLink(target, staged);
        } catch (UnsupportedOperationException e) {
            throw new IOException(
                    "The file system of " + target.getParent() + " has no hard links, without which concurrent commits"
                            + " to a Delta table on it are not safe. Put the table on a file system that has them.",
                    e);
        } catch (java.nio.file.FileAlreadyExistsException e) {
            // The exception that delta-storage's contract names, with the path alone as its message.
            throw new FileAlreadyExistsException(target.toString());
        }
    }

    /** True: whoever writes other files than commits (log checkpoints) has to stage and rename them. */
    @Override
    public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
        return true;
    }
}
