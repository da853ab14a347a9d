package io.lakehouse.delta.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.delta.storage.LogStore;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HardLinkLogStoreTest {

    private final Configuration configuration = new Configuration();
    private final LogStore store = new HardLinkLogStore(configuration);

    @TempDir
    java.nio.file.Path log;

    @Test
    void aVersionIsWrittenOnceAndLeavesNothingElseBehind() throws Exception {
        store.write(path("0.json"), List.of("a", "b").iterator(), false, configuration);

        assertThatThrownBy(() -> store.write(path("0.json"), List.of("c").iterator(), false, configuration))
                .isInstanceOf(FileAlreadyExistsException.class)
                .hasMessage(log.resolve("0.json").toString());
        assertThat(Files.readAllLines(log.resolve("0.json"))).containsExactly("a", "b");
        try (Stream<java.nio.file.Path> files = Files.list(log)) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void whatMayBeOverwrittenIs() throws Exception {
        store.write(path("_last_checkpoint"), List.of("1").iterator(), true, configuration);
        store.write(path("_last_checkpoint"), List.of("2").iterator(), true, configuration);

        assertThat(Files.readAllLines(log.resolve("_last_checkpoint"))).containsExactly("2");
    }

    @Test
    void exactlyOneOfManyWritersWins() throws Exception {
        int writers = 8;
        ExecutorService pool = Executors.newFixedThreadPool(writers);
        for (int version = 0; version < 100; version++) {
            Path commit = path(version + ".json");
            List<Callable<String>> attempts = IntStream.range(0, writers)
                    .<Callable<String>>mapToObj(writer -> () -> attempt(commit, "writer-" + writer))
                    .toList();
            List<String> winners = new ArrayList<>();
            for (Future<String> attempt : pool.invokeAll(attempts)) {
                winners.addAll(Stream.ofNullable(attempt.get()).toList());
            }
            assertThat(winners).hasSize(1);
            assertThat(Files.readAllLines(log.resolve(version + ".json"))).isEqualTo(winners);
        }
        pool.shutdown();
    }

    private String attempt(Path commit, String writer) throws Exception {
        try {
            store.write(commit, List.of(writer).iterator(), false, configuration);
            return writer;
        } catch (FileAlreadyExistsException lost) {
            return null;
        }
    }

    private Path path(String name) {
        return new Path(log.resolve(name).toUri());
    }
}
