package io.lakehouse.delta.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.THROWABLE;

import io.delta.storage.CloseableIterator;
import io.delta.storage.LogStore;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import software.amazon.awssdk.auth.credentials.AnonymousCredentialsProvider;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.S3Exception;

@Timeout(300)
class ConditionalPutLogStoreTest {

    /** The smallest that S3 takes. */
    private static final int PART = 5 * 1024 * 1024;

    private static S3Server server;
    private static Configuration configuration;

    private Path log;

    @BeforeAll
    static void start() throws Exception {
        server = new S3Server();
        configuration = new Configuration();
        server.hadoopOptions().forEach(configuration::set);
    }

    @AfterAll
    static void stop() throws Exception {
        server.close();
    }

    @BeforeEach
    void ownTable(TestInfo test) {
        server.delayCommits(0);
        server.refuseParts(false);
        log = new Path("s3a://%s/%s/_delta_log"
                .formatted(server.bucket(), test.getTestMethod().orElseThrow().getName()));
    }

    @Test
    void aVersionIsWrittenOnce() throws Exception {
        LogStore store = new ConditionalPutLogStore(configuration);
        store.write(version(0), List.of("a", "b").iterator(), false, configuration);

        assertThatThrownBy(() -> store.write(version(0), List.of("c").iterator(), false, configuration))
                .isInstanceOf(FileAlreadyExistsException.class);
        assertThat(read(store, version(0))).containsExactly("a", "b");
    }

    @Test
    void whatMayBeOverwrittenIs() throws Exception {
        LogStore store = new ConditionalPutLogStore(configuration);
        Path lastCheckpoint = new Path(log, "_last_checkpoint");
        store.write(lastCheckpoint, List.of("1").iterator(), true, configuration);
        store.write(lastCheckpoint, List.of("2").iterator(), true, configuration);

        assertThat(read(store, lastCheckpoint)).containsExactly("2");
    }

    @Test
    void aCommitWhoseAnswerIsLostIsFoundToBeMade() throws Exception {
        LogStore store = new ConditionalPutLogStore(configuration);
        server.loseAnswers(1);

        store.write(version(0), List.of("mine").iterator(), false, configuration);

        assertThat(read(store, version(0))).containsExactly("mine");
    }

    /** S3A holds the first part when the second cannot be taken, as when its buffer's disk is full. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aWriteThatFailsMidwayLeavesNothingBehind(boolean overwrite) throws Exception {
        Configuration smallParts = new Configuration(configuration);
        smallParts.setInt("fs.s3a.multipart.size", PART);
        smallParts.setBoolean("fs.s3a.impl.disable.cache", true);
        LogStore store = new ConditionalPutLogStore(smallParts);
        Path commit = version(overwrite ? 1 : 0);
        String larger = "x".repeat(PART + PART / 2);
        server.refuseParts(true);

        assertThatThrownBy(() -> store.write(commit, List.of(larger).iterator(), overwrite, smallParts))
                .isInstanceOf(AccessDeniedException.class);
        assertThatThrownBy(() -> read(store, commit)).isInstanceOf(FileNotFoundException.class);

        server.refuseParts(false);
        store.write(commit, List.of(larger).iterator(), overwrite, smallParts);
        assertThat(read(store, commit)).containsExactly(larger);
    }

    @Test
    void whereItCannotBeToldWhetherACommitWasMadeBothFailuresAre() {
        Configuration unreachable = new Configuration(configuration);
        unreachable.set("fs.s3a.endpoint", "http://127.0.0.1:1");
        unreachable.set("fs.s3a.attempts.maximum", "1");
        unreachable.set("fs.s3a.retry.limit", "0");
        unreachable.setBoolean("fs.s3a.impl.disable.cache", true);
        LogStore store = new ConditionalPutLogStore(unreachable);

        assertThatThrownBy(() -> store.write(version(0), List.of("a").iterator(), false, unreachable))
                .isInstanceOf(IOException.class)
                .satisfies(error -> assertThat(error.getSuppressed())
                        .singleElement(THROWABLE)
                        .hasMessageContaining("Writing Object"));
    }

    /** One writer goes through the store, the other puts as delta-rs does; each acknowledged commit has to be there. */
    @Test
    void noAcknowledgedCommitIsLostBesideAnotherKindOfWriter() throws Exception {
        assertThat(race(new ConditionalPutLogStore(configuration))).isZero();
    }

    /** What makes the test above worth something: Delta's own store fails it. */
    @Test
    void deltasOwnStoreLosesCommitsInTheSameRace() throws Exception {
        assertThat(race(new io.delta.storage.S3SingleDriverLogStore(configuration)))
                .isPositive();
    }

    @Test
    void aFileSystemWithoutConditionalCreateIsRefused() throws Exception {
        Configuration without = new Configuration(configuration);
        without.setBoolean("fs.s3a.create.conditional.enabled", false);
        without.setBoolean("fs.s3a.impl.disable.cache", true);
        LogStore store = new ConditionalPutLogStore(without);

        assertThatThrownBy(() -> store.write(version(0), List.of("a").iterator(), false, without))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("would not be safe")
                .hasMessageContaining("fs.s3a.create.conditional.enabled");
    }

    /** @return number of commits that a writer believes to have made and that are not there */
    private long race(LogStore store) throws Exception {
        int versions = 10;
        server.delayCommits(100);
        // Opens the connection, so that both writers are equally quick.
        store.write(new Path(log, "warm-up"), List.of("x").iterator(), true, configuration);
        CyclicBarrier together = new CyclicBarrier(2);
        Set<String> acknowledged = ConcurrentHashMap.newKeySet();
        ExecutorService pool = Executors.newFixedThreadPool(2);
        List<Future<?>> writers = new ArrayList<>();
        writers.add(pool.submit(() -> {
            for (int v = 0; v < versions; v++) {
                together.await();
                try {
                    store.write(version(v), List.of("java-" + v).iterator(), false, configuration);
                    acknowledged.add("java-" + v);
                } catch (FileAlreadyExistsException lost) {
                    // The other writer has this version.
                }
            }
            return null;
        }));
        writers.add(pool.submit(() -> {
            try (S3Client client = client()) {
                for (int v = 0; v < versions; v++) {
                    together.await();
                    if (conditionalPut(client, version(v), "other-" + v)) {
                        acknowledged.add("other-" + v);
                    }
                }
            }
            return null;
        }));
        for (Future<?> writer : writers) {
            writer.get();
        }
        pool.shutdown();
        server.delayCommits(0);
        List<String> stored = new ArrayList<>();
        for (int v = 0; v < versions; v++) {
            stored.addAll(read(store, version(v)));
        }
        assertThat(stored).hasSize(versions);
        return acknowledged.stream().filter(line -> !stored.contains(line)).count();
    }

    private static boolean conditionalPut(S3Client client, Path path, String content) {
        String key = path.toUri().getPath().substring(1);
        try {
            client.putObject(
                    request -> request.bucket(server.bucket()).key(key).ifNoneMatch("*"),
                    RequestBody.fromString(content + "\n"));
            return true;
        } catch (S3Exception e) {
            assertThat(e.statusCode()).isIn(409, 412);
            return false;
        }
    }

    private static S3Client client() {
        return S3Client.builder()
                .endpointOverride(server.endpoint())
                .region(Region.US_EAST_1)
                .forcePathStyle(true)
                .credentialsProvider(AnonymousCredentialsProvider.create())
                .build();
    }

    private Path version(int version) {
        return new Path(log, "%020d.json".formatted(version));
    }

    private static List<String> read(LogStore store, Path path) throws IOException {
        List<String> lines = new ArrayList<>();
        try (CloseableIterator<String> found = store.read(path, configuration)) {
            found.forEachRemaining(lines::add);
        }
        return lines;
    }
}
