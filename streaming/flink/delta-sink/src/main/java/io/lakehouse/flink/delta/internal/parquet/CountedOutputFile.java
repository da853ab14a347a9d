package io.lakehouse.flink.delta.internal.parquet;

import java.io.IOException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.util.HadoopStreams;
import org.apache.parquet.io.DelegatingPositionOutputStream;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.PositionOutputStream;

/** A file that knows its size once it is closed, which on an object store saves asking for it. */
final class CountedOutputFile implements OutputFile {

    private static final long NO_BLOCKS = 0;

    private final FileSystem fileSystem;
    private final Path path;
    private long size = -1;

    CountedOutputFile(FileSystem fileSystem, Path path) {
        this.fileSystem = fileSystem;
        this.path = path;
    }

    /** @return bytes, or -1 before the file is closed */
    long size() {
        return size;
    }

    Path path() {
        return path;
    }

    /** Removes what was written, of a file that is given up. */
    void delete() throws IOException {
        fileSystem.delete(path, false);
    }

    @Override
    public PositionOutputStream create(long blockSizeHint) throws IOException {
        PositionOutputStream stream = HadoopStreams.wrap(fileSystem.create(path, false));
        return new DelegatingPositionOutputStream(stream) {
            @Override
            public long getPos() throws IOException {
                return stream.getPos();
            }

            @Override
            public void close() throws IOException {
                if (size < 0) {
                    size = stream.getPos();
                    super.close();
                }
            }
        };
    }

    @Override
    public PositionOutputStream createOrOverwrite(long blockSizeHint) {
        throw new UnsupportedOperationException("Data files are never overwritten: " + path);
    }

    @Override
    public boolean supportsBlockSize() {
        return false;
    }

    @Override
    public long defaultBlockSize() {
        return NO_BLOCKS;
    }

    @Override
    public String getPath() {
        return path.toString();
    }
}
