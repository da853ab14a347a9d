package io.lakehouse.delta.storage;

import io.delta.storage.HadoopFileSystemLogStore;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.util.Arrays;
import java.util.Iterator;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Options.CreateFileOptionKeys;
import org.apache.hadoop.fs.Path;

/**
 * Commits to a table on S3 so that exactly one of several concurrent writers wins a version, whatever process it is in.
 *
 * <p>Delta's own store for S3 looks whether the commit exists and then writes it, which loses commits beside a second
 * driver or a delta-rs process. This one lets S3 decide: {@code PUT} with {@code If-None-Match: *}, as delta-rs does.
 *
 * <p>S3A offers such a create from Hadoop 3.4.2 on. A file system without it is refused rather than written to unsafely.
 * The answer to a {@code PUT} may get lost after it took effect, and a repeated one then meets its own object. So every
 * failure is settled by reading: the same bytes mean won, other bytes mean lost, no object means that nothing happened.
 *
 * <p>Use: {@code io.delta.kernel.logStore.s3a.impl} (Delta Kernel) or {@code spark.delta.logStore.s3a.impl} (Spark, set
 * before the session exists), once for each scheme in use.
 */
public final class ConditionalPutLogStore extends HadoopFileSystemLogStore {

    private static final String CONDITIONAL_CREATE = CreateFileOptionKeys.FS_OPTION_CREATE_CONDITIONAL_OVERWRITE;

    private static final int ATTEMPTS = 5;
    private static final long PAUSE_MILLIS = 100;

    public ConditionalPutLogStore(Configuration hadoopConf) {
        super(hadoopConf);
    }

    @Override
    public void write(Path path, Iterator<String> actions, Boolean overwrite, Configuration hadoopConf)
            throws IOException {
        byte[] content = content(actions);
        FileSystem fileSystem = path.getFileSystem(hadoopConf);
        if (overwrite) {
            writeWhole(fileSystem.create(path, true), content);
            return;
        }
        if (!fileSystem.hasPathCapability(path, CONDITIONAL_CREATE)) {
            throw new IOException(
                    "%s cannot create a file only where none exists, so commits to %s would not be safe. Use"
                                    .formatted(fileSystem.getClass().getName(), path.getParent())
                            + " S3A of Hadoop 3.4.2 or newer, with fs.s3a.create.conditional.enabled not switched off.");
        }
        create(fileSystem, path, content);
    }

    private static void create(FileSystem fileSystem, Path path, byte[] content) throws IOException {
        for (int attempt = 1; ; attempt++) {
            try {
                put(fileSystem, path, content);
                return;
            } catch (IOException e) {
                byte[] found = existing(fileSystem, path, e);
                if (found != null) {
                    if (Arrays.equals(found, content)) {
                        return;
                    }
                    throw new FileAlreadyExistsException(path.toString());
                }
                if (attempt == ATTEMPTS) {
                    throw e;
                }
                pause(attempt);
            }
        }
    }

    private static void put(FileSystem fileSystem, Path path, byte[] content) throws IOException {
        FSDataOutputStreamBuilder<?, ?> builder = fileSystem.createFile(path);
        // Without it S3A asks first whether the file exists, which the condition answers better.
        builder.overwrite(true);
        builder.must(CONDITIONAL_CREATE, true);
        writeWhole(builder.build(), content);
    }

    /** To close a stream is to publish what it holds, so one that could not take all of {@code content} is given up. */
    private static void writeWhole(FSDataOutputStream out, byte[] content) throws IOException {
        try (out) {
            try {
                out.write(content);
            } catch (IOException | RuntimeException | Error e) {
                abort(out, e);
                throw e;
            }
        }
    }

    private static void abort(FSDataOutputStream out, Throwable reason) {
        try {
            out.abort();
        } catch (RuntimeException e) {
            reason.addSuppressed(e);
        }
    }

    /** @return null when there is no such file; where that cannot be told, the exception says why it was asked, too */
    private static byte[] existing(FileSystem fileSystem, Path path, IOException putFailed) throws IOException {
        try (FSDataInputStream in = fileSystem.open(path)) {
            return in.readAllBytes();
        } catch (FileNotFoundException e) {
            return null;
        } catch (IOException e) {
            e.addSuppressed(putFailed);
            throw e;
        }
    }

    private static byte[] content(Iterator<String> actions) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        while (actions.hasNext()) {
            out.write(actions.next().getBytes(StandardCharsets.UTF_8));
            out.write('\n');
        }
        return out.toByteArray();
    }

    private static void pause(int attempt) throws InterruptedIOException {
        try {
            Thread.sleep(PAUSE_MILLIS * attempt);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("Interrupted while committing");
        }
    }

    /** False: an object appears whole or not at all. */
    @Override
    public Boolean isPartialWriteVisible(Path path, Configuration hadoopConf) {
        return false;
    }
}
