package io.lakehouse.flink.delta;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.delta.kernel.exceptions.TableNotFoundException;
import io.lakehouse.flink.delta.internal.DeltaSinkMetrics;
import io.lakehouse.flink.delta.internal.commit.Backoff;
import io.lakehouse.flink.delta.internal.commit.CheckpointCommit;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Gauge;
import org.apache.flink.runtime.testutils.InMemoryReporter;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** The guarantees, on a real (small) Flink cluster. */
@Timeout(300)
class DeltaSinkITCase {

    private static final InMemoryReporter METRICS = InMemoryReporter.createWithRetainedMetrics();

    @RegisterExtension
    static final MiniClusterExtension FLINK = new MiniClusterExtension(new MiniClusterResourceConfiguration.Builder()
            .setConfiguration(METRICS.addToConfiguration(new Configuration()))
            .setNumberTaskManagers(2)
            .setNumberSlotsPerTaskManager(2)
            .build());

    @TempDir
    Path table;

    @TempDir
    Path savepoints;

    @BeforeEach
    void reset() {
        SinkJob.slow = false;
        SinkJob.FAILURES_LEFT.set(0);
    }

    @Test
    void failuresNeitherLoseNorDoubleRows() throws Exception {
        SinkJob.FAILURES_LEFT.set(4);

        new SinkJob(table, 3000).run();

        assertThat(SinkJob.FAILURES_LEFT.get()).as("all failures happened").isLessThanOrEqualTo(0);
        // Both subtasks may fail after the same checkpoint: four failures are two restarts at least.
        assertThat(checkpointsInTable()).as("commits before and after failures").hasSizeGreaterThan(2);
        assertTableHolds(3000);
    }

    @Test
    void boundedInputIsCommittedToItsEnd() throws Exception {
        new SinkJob(table, 1000).run();

        assertTableHolds(1000);
    }

    @Test
    void metricsSayWhatWasWrittenAndCommitted() throws Exception {
        JobClient job = new SinkJob(table, 1000).start();
        job.getJobExecutionResult().get();

        long size = 0;
        for (Path file : TestTables.dataFiles(table)) {
            size += Files.size(file);
        }
        long files = TestTables.dataFiles(table).size();
        assertThat(sum(job, "numRecordsSend")).isEqualTo(1000);
        assertThat(sum(job, "numBytesSend")).isEqualTo(size);
        assertThat(sum(job, DeltaSinkMetrics.FILES_WRITTEN)).isEqualTo(files);
        assertThat(sum(job, DeltaSinkMetrics.OPEN_FILES)).isZero();
        assertThat(sum(job, DeltaSinkMetrics.ROWS_COMMITTED)).isEqualTo(1000);
        assertThat(sum(job, DeltaSinkMetrics.BYTES_COMMITTED)).isEqualTo(size);
        assertThat(sum(job, DeltaSinkMetrics.FILES_COMMITTED)).isEqualTo(files);
        assertThat(sum(job, DeltaSinkMetrics.COMMIT_RETRIES)).isZero();
        assertThat(sum(job, DeltaSinkMetrics.LAST_COMMIT_DURATION)).isPositive();
        // Committers that have nothing to do stay at -1 and 0.
        assertThat(values(job, DeltaSinkMetrics.LAST_COMMITTED_VERSION))
                .contains(TestTables.snapshot(table).getVersion());
        assertThat(values(job, DeltaSinkMetrics.LAST_COMMITTED_CHECKPOINT)).contains(lastCheckpointInTable());
    }

    private static long sum(JobClient job, String metric) {
        return values(job, metric).stream().mapToLong(value -> value).sum();
    }

    private static List<Long> values(JobClient job, String metric) {
        return METRICS.findMetrics(job.getJobID(), metric).values().stream()
                .map(found -> found instanceof Counter counter
                        ? counter.getCount()
                        : ((Number) ((Gauge<?>) found).getValue()).longValue())
                .toList();
    }

    @Test
    void withoutCheckpointsEverythingIsOneCommitAtTheEnd() throws Exception {
        new SinkJob(table, 1000).withoutCheckpoints().run();

        assertTableHolds(1000);
        assertThat(TestTables.snapshot(table).getVersion()).isEqualTo(1);
    }

    @Test
    void aSavepointContinuesAsANewJobWithOtherParallelism() throws Exception {
        Path first = interrupted(new SinkJob(table, 5000).parallelism(1));
        long afterFirst = ids().size();
        Path second = interrupted(new SinkJob(table, 5000).parallelism(2).restoreFrom(first));
        assertThat((long) ids().size()).isGreaterThan(afterFirst);

        new SinkJob(table, 5000).parallelism(1).restoreFrom(second).run();

        assertTableHolds(5000);
    }

    @Test
    void aRestoreOlderThanTheTableIsRefusedNamingBothCheckpoints() throws Exception {
        Path older = interrupted(new SinkJob(table, 50_000));
        long inOlder = lastCheckpointInTable();
        interrupted(new SinkJob(table, 50_000).restoreFrom(older));
        long inTable = lastCheckpointInTable();
        List<Long> before = ids();

        assertThatThrownBy(() -> new SinkJob(table, 50_000).restoreFrom(older).run())
                .rootCause()
                .hasMessageContaining("restored from checkpoint " + inOlder)
                .hasMessageContaining("already holds checkpoint " + inTable)
                .hasMessageContaining("uid 'numbers'")
                .hasMessageContaining("choose a new uid");
        assertThat(ids()).hasSameSizeAs(before);
    }

    @Test
    void anOlderRestoreIsTakenUnderANewUid() throws Exception {
        Path older = interrupted(new SinkJob(table, 3000));
        long beforeOlder = ids().size();
        interrupted(new SinkJob(table, 3000).restoreFrom(older));
        long all = ids().size();

        new SinkJob(table, 3000).restoreFrom(older).uid("numbers-again").run();

        // What came after the older savepoint is there twice, as the error says.
        assertThat((long) ids().size()).isEqualTo(3000 + all - beforeOlder);
        assertThat(ids().stream().distinct()).hasSize(3000);
    }

    @Test
    void aStartWithoutStateUnderAUsedUidIsRefused() throws Exception {
        new SinkJob(table, 100).run();

        assertThatThrownBy(() -> new SinkJob(table, 100).run())
                .rootCause()
                .hasMessageContaining("starts without state")
                .hasMessageContaining("uid 'numbers'")
                .hasMessageContaining("choose a new uid");
        assertTableHolds(100);
    }

    @Test
    void withoutAUidEachSubmissionIsASinkOfItsOwn() throws Exception {
        new SinkJob(table, 100).uid(null).run();
        new SinkJob(table, 100).uid(null).run();

        assertThat(ids()).hasSize(200);
        assertThat(ids().stream().distinct()).hasSize(100);
    }

    @Test
    void withoutAUidASavepointContinuesTheSink() throws Exception {
        Path savepoint = interrupted(new SinkJob(table, 3000).uid(null));

        new SinkJob(table, 3000).uid(null).restoreFrom(savepoint).run();

        assertTableHolds(3000);
    }

    @Test
    void anotherWritersCommitsDoNotDisturb() throws Exception {
        SinkJob.slow = true;
        JobClient job = new SinkJob(table, 20_000).start();
        waitFor("the first rows", () -> exists() && !ids().isEmpty());
        // The same table, from outside of the job: what compaction or a backfill would do.
        WriteFixture other = new WriteFixture(table, SinkJob.TYPE, "bucket");
        for (long i = 1; i <= 5; i++) {
            var files = other.write(List.of(GenericRowData.of(-i, StringData.fromString("b0"))));
            new io.lakehouse.flink.delta.internal.commit.TableCommitter(other.table(), 0, new Backoff(50))
                    .commit(new CheckpointCommit("other", i, i - 1, i, files));
        }
        int seen = ids().size();
        waitFor("more rows after them", () -> ids().size() > seen);
        Path savepoint = SinkJob.stopWithSavepoint(job, savepoints);
        SinkJob.slow = false;
        new SinkJob(table, 20_000).restoreFrom(savepoint).run();

        assertThat(ids().stream().filter(id -> id < 0)).hasSize(5);
        assertThat(ids().stream().filter(id -> id > 0).sorted()).hasSize(20_000).doesNotHaveDuplicates();
    }

    /** Runs the job until it has added something, and stops it with a savepoint. */
    private Path interrupted(SinkJob job) throws Exception {
        int before = exists() ? ids().size() : 0;
        SinkJob.slow = true;
        JobClient client = job.start();
        waitFor("rows of the job", () -> exists() && ids().size() > before);
        Path savepoint = SinkJob.stopWithSavepoint(client, savepoints);
        SinkJob.slow = false;
        return savepoint;
    }

    private void assertTableHolds(long count) throws Exception {
        assertThat(ids().stream().sorted().toList())
                .isEqualTo(LongStream.rangeClosed(1, count).boxed().toList());
    }

    private List<Long> ids() throws Exception {
        return TestTables.rows(table, row -> row.getLong(0));
    }

    private boolean exists() {
        try {
            TestTables.snapshot(table);
            return true;
        } catch (TableNotFoundException e) {
            return false;
        }
    }

    private long lastCheckpointInTable() {
        return TestTables.snapshot(table)
                .getLatestTransactionVersion(TestTables.engine(Map.of()), "numbers")
                .orElseThrow();
    }

    private List<String> checkpointsInTable() throws Exception {
        return TestTables.log(table).stream()
                .filter(line -> line.startsWith("{\"txn\"") && line.contains("\"numbers\""))
                .toList();
    }

    private static void waitFor(String what, Callable<Boolean> condition) throws Exception {
        Instant deadline = Instant.now().plus(Duration.ofSeconds(120));
        while (!condition.call()) {
            assertThat(Instant.now()).as("waited for " + what).isBefore(deadline);
            Thread.sleep(50);
        }
    }
}
