package io.lakehouse.flink.delta.internal.commit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.delta.kernel.Snapshot;
import io.lakehouse.flink.delta.SchemaEvolution;
import io.lakehouse.flink.delta.TestTables;
import io.lakehouse.flink.delta.WriteFixture;
import io.lakehouse.flink.delta.internal.table.DeltaTable;
import io.lakehouse.flink.delta.internal.table.PostCommitHooks;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TableCommitterTest {

    private static final RowType TYPE =
            (RowType) DataTypes.ROW(DataTypes.FIELD("id", DataTypes.INT())).getLogicalType();

    @TempDir
    Path path;

    private WriteFixture fixture;

    @BeforeEach
    void createTable() throws Exception {
        fixture = new WriteFixture(path, TYPE);
        fixture.table().createOrValidate();
    }

    @Test
    void allFilesOfACheckpointAreOneCommit() throws Exception {
        CheckpointCommit commit = commit("app", 7, 0, 1, 2, 3);

        CommitOutcome outcome = fixture.committer(0).commit(commit);

        assertThat(commit.files()).hasSize(3);
        assertThat(outcome.version()).isEqualTo(1);
        assertThat(ids()).containsExactlyInAnyOrder(1, 2, 3);
        assertThat(TestTables.snapshot(path).getLatestTransactionVersion(TestTables.engine(Map.of()), "app"))
                .contains(7L);
    }

    @Test
    void aCommitRepeatedAfterACrashAddsNothing() throws Exception {
        CheckpointCommit commit = commit("app", 1, 0, 1);
        fixture.committer(0).commit(commit);

        // A new committer, as after a restart: its only knowledge is the table.
        CommitOutcome repeated = fixture.committer(1).commit(commit);

        assertThat(repeated.version()).isEqualTo(1);
        assertThat(ids()).containsExactly(1);
    }

    @Test
    void checkpointsThatWaitInStateAreCommittedInOrderAndOnlyIfMissing() throws Exception {
        CheckpointCommit first = commit("app", 1, 0, 1);
        CheckpointCommit second = commit("app", 2, 1, 2);
        TableCommitter before = fixture.committer(0);
        before.commit(first);
        before.commit(second);

        TableCommitter after = fixture.committer(2);
        after.commit(first);
        after.commit(second);
        after.commit(commit("app", 3, 2, 3));

        assertThat(ids()).containsExactlyInAnyOrder(1, 2, 3);
    }

    @Test
    void anotherJobsCommitUnderTheSameIdIsNotTakenForOurs() throws Exception {
        fixture.committer(0).commit(commit("app", 5, 0, 1));
        CheckpointCommit ours = commit("app", 5, 0, 2);

        assertThatThrownBy(() -> fixture.committer(5).commit(ours))
                .isInstanceOf(CommitConflictException.class)
                .hasMessageContaining("Checkpoint 5 of the uid 'app'")
                .hasMessageContaining("two jobs run from the same state");
        assertThat(ids()).containsExactly(1);
    }

    @Test
    void anotherJobThatCommitsMeanwhileIsAConflict() throws Exception {
        TableCommitter ours = fixture.committer(0);
        ours.commit(commit("app", 1, 0, 1));
        fixture.committer(1).commit(commit("app", 2, 1, 99));

        assertThatThrownBy(() -> ours.commit(commit("app", 2, 1, 2))).isInstanceOf(CommitConflictException.class);
        assertThatThrownBy(() -> ours.commit(commit("app", 3, 1, 3)))
                .isInstanceOf(CommitConflictException.class)
                .hasMessageContaining("Checkpoint 3 of the uid 'app' follows checkpoint 1")
                .hasMessageContaining("holds checkpoint 2");
        assertThat(ids()).containsExactlyInAnyOrder(1, 99);
    }

    @Test
    void aTableThatLostCommitsIsAConflict() throws Exception {
        assertThatThrownBy(() -> fixture.committer(4).commit(commit("app", 5, 4, 1)))
                .isInstanceOf(CommitConflictException.class)
                .hasMessageContaining("follows checkpoint 4")
                .hasMessageContaining("holds no checkpoint of it");
    }

    @Test
    void othersAppIdsAreNoBusinessOfOurs() throws Exception {
        fixture.committer(0).commit(commit("spark-query", 1000, 0, 1));

        fixture.committer(0).commit(commit("app", 1, 0, 2));

        assertThat(ids()).containsExactlyInAnyOrder(1, 2);
    }

    @Test
    void aCommitIsRebasedOnOthers() throws Exception {
        TableCommitter ours = fixture.committer(0);
        ours.commit(commit("app", 1, 0, 1));
        fixture.committer(0).commit(commit("other", 1, 0, 2));

        CommitOutcome outcome = ours.commit(commit("app", 2, 1, 3));

        assertThat(outcome.version()).isEqualTo(3);
        assertThat(outcome.retries()).isEqualTo(1);
        assertThat(ids()).containsExactlyInAnyOrder(1, 2, 3);
    }

    @Test
    void retriesAreBounded() throws Exception {
        TableSettings settings =
                new TableSettings(path.toString(), TYPE, List.of(), Map.of(), Map.of(), SchemaEvolution.NO, 0);
        TableCommitter ours = new WriteFixture(settings).committer(0);
        ours.commit(commit("app", 1, 0, 1));
        fixture.committer(0).commit(commit("other", 1, 0, 2));

        assertThatThrownBy(() -> ours.commit(commit("app", 2, 1, 3)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("could not be committed")
                .hasMessageContaining("in 1 attempts")
                .hasMessageContaining("commit.max_retries");
    }

    @Test
    void writersThatCollideLoseNothing() throws Exception {
        int writers = 4;
        int commits = 15;
        ExecutorService pool = Executors.newFixedThreadPool(writers);
        List<Future<Integer>> results = new ArrayList<>();
        for (int writer = 0; writer < writers; writer++) {
            String appId = "writer-" + writer;
            results.add(pool.submit(() -> {
                TableCommitter committer = fixture.committer(0);
                int retries = 0;
                for (int i = 1; i <= commits; i++) {
                    retries += committer.commit(commit(appId, i, i - 1, i)).retries();
                }
                return retries;
            }));
        }
        int retries = 0;
        for (Future<Integer> result : results) {
            retries += result.get();
        }
        pool.shutdown();

        assertThat(retries).as("the writers did collide").isPositive();
        assertThat(ids()).hasSize(writers * commits);
        assertThat(TestTables.snapshot(path).getVersion()).isEqualTo(writers * commits);
    }

    @Test
    void aSchemaThatStopsFittingIsATrueConflict() throws Exception {
        TableCommitter ours = fixture.committer(0);
        ours.commit(commit("app", 1, 0, 1));
        replaceColumn("id", "long");

        assertThatThrownBy(() -> ours.commit(commit("app", 2, 1, 2)))
                .isInstanceOf(ValidationException.class)
                .hasMessageContaining("column 'id' is integer in the sink, long in the table");
    }

    @Test
    void aNewNullableColumnOfTheTableIsNoConflict() throws Exception {
        TableCommitter ours = fixture.committer(0);
        ours.commit(commit("app", 1, 0, 1));
        RowType wider = (RowType)
                DataTypes.ROW(DataTypes.FIELD("id", DataTypes.INT()), DataTypes.FIELD("note", DataTypes.STRING()))
                        .getLogicalType();
        new DeltaTable(new TableSettings(
                        path.toString(), wider, List.of(), Map.of(), Map.of(), SchemaEvolution.NEWCOLUMN, 0))
                .createOrValidate();

        ours.commit(commit("app", 2, 1, 2));

        assertThat(ids()).containsExactlyInAnyOrder(1, 2);
        assertThat(TestTables.snapshot(path).getSchema().fieldNames()).containsExactly("id", "note");
    }

    @Test
    void commitsWriteNoMetadata() throws Exception {
        TableCommitter ours = fixture.committer(0);
        for (int i = 1; i <= 5; i++) {
            ours.commit(commit("app", i, i - 1, i));
        }

        assertThat(TestTables.count(path, "metaData")).isEqualTo(1);
        assertThat(TestTables.count(path, "protocol")).isEqualTo(1);
    }

    @Test
    void theLogIsCheckpointedEveryTenCommits() throws Exception {
        TableCommitter ours = fixture.committer(0);
        PostCommitHooks hooks = new PostCommitHooks(fixture.table().engine());
        for (int i = 1; i <= 12; i++) {
            hooks.run(ours.commit(commit("app", i, i - 1, i)).hooks());
        }

        assertThat(path.resolve("_delta_log/_last_checkpoint")).content().contains("\"version\":10");
        assertThat(ids()).hasSize(12);
        // The progress is in the checkpoint of the log as well: readers start from there.
        assertThat(TestTables.snapshot(path).getLatestTransactionVersion(TestTables.engine(Map.of()), "app"))
                .contains(12L);
    }

    /** Another writer that replaces a column's type, which no append survives. */
    private void replaceColumn(String column, String type) throws Exception {
        List<String> log = TestTables.log(path);
        String metadata = log.stream()
                .filter(line -> line.startsWith("{\"metaData\""))
                .findFirst()
                .orElseThrow();
        Snapshot snapshot = TestTables.snapshot(path);
        Path commit = path.resolve("_delta_log/%020d.json".formatted(snapshot.getVersion() + 1));
        Files.writeString(commit, metadata.replace("\\\"integer\\\"", "\\\"" + type + "\\\"") + "\n");
    }

    /** One file an id. */
    private CheckpointCommit commit(String appId, long checkpoint, long previous, int... ids) throws Exception {
        List<io.lakehouse.flink.delta.internal.parquet.DataFile> files = new ArrayList<>();
        for (int id : ids) {
            files.addAll(fixture.write(List.of(GenericRowData.of(id))));
        }
        return new CheckpointCommit(
                appId, checkpoint, previous, IntStream.of(ids).sum(), files);
    }

    private List<Integer> ids() throws IOException {
        return TestTables.rows(path, row -> row.getInt(0));
    }
}
