package io.lakehouse.flink.delta.internal.table;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordingFile;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PlainLocalFileSystemTest {

    @TempDir
    java.nio.file.Path directory;

    private final FileSystem files = new PlainLocalFileSystem();

    @BeforeEach
    void initialize() throws Exception {
        files.initialize(URI.create("file:///"), new Configuration());
    }

    @Test
    void aFileIsMadeWithoutAProcess() throws Exception {
        java.nio.file.Path recorded = directory.resolve("processes.jfr");
        try (Recording recording = new Recording()) {
            recording.enable("jdk.ProcessStart");
            recording.start();
            files.create(path("deep/file")).close();
            recording.stop();
            recording.dump(recorded);
        }
        List<String> commands = RecordingFile.readAllEvents(recorded).stream()
                .map(event -> event.getString("command"))
                .toList();
        assertThat(commands).noneMatch(command -> command.contains("chmod"));
        assertThat(directory.resolve("deep"))
                .isDirectoryContaining("glob:**/file")
                .isDirectoryNotContaining("glob:**.crc");
    }

    @Test
    void permissionsAreThoseAskedFor() throws Exception {
        files.create(path("file")).close();
        for (short permission : new short[] {0600, 0755, 01777}) {
            files.setPermission(path("file"), new FsPermission(permission));

            assertThat(files.getFileStatus(path("file")).getPermission().toShort())
                    .isEqualTo((short) (permission & 0777));
        }
    }

    private Path path(String name) {
        return new Path(directory.resolve(name).toUri());
    }
}
