package io.lakehouse.flink.delta;

import static org.assertj.core.api.Assertions.assertThat;

import io.lakehouse.delta.storage.S3Server;
import io.lakehouse.flink.delta.internal.commit.CheckpointCommit;
import io.lakehouse.flink.delta.internal.commit.TableCommitter;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.RowType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.Timeout;

/** Tables on S3, in whichever of Hadoop's and everybody else's spelling of the scheme. */
@Timeout(300)
class S3ITCase {

    private static final RowType TYPE = (RowType)
            DataTypes.ROW(DataTypes.FIELD("id", DataTypes.INT()), DataTypes.FIELD("region", DataTypes.STRING()))
                    .getLogicalType();

    private static S3Server server;

    private String table;

    @BeforeAll
    static void start() throws Exception {
        server = new S3Server();
    }

    @AfterAll
    static void stop() throws Exception {
        server.close();
    }

    @BeforeEach
    void ownTable(TestInfo test) {
        table = "s3://%s/%s"
                .formatted(server.bucket(), test.getTestMethod().orElseThrow().getName());
        server.delayCommits(0);
    }

    @Test
    void partitionedRowsComeBack() throws Exception {
        WriteFixture fixture = fixture();

        fixture.append(List.of(row(1, "a b/ü"), row(2, "x=1")));

        assertThat(TestTables.rows(table, server.hadoopOptions(), row -> row.getInt(0) + row.getString(1)))
                .containsExactlyInAnyOrder("1a b/ü", "2x=1");
    }

    @Test
    void theSameTableIsReadUnderS3a() throws Exception {
        fixture().append(List.of(row(1, "a")));

        assertThat(TestTables.rows(table.replace("s3:", "s3a:"), server.hadoopOptions(), row -> row.getInt(0)))
                .containsExactly(1);
    }

    @Test
    void aCommitWhoseAnswerIsLostIsNotMadeTwice() throws Exception {
        WriteFixture fixture = fixture();
        fixture.table().createOrValidate();
        server.loseAnswers(1);

        fixture.committer(0).commit(new CheckpointCommit("app", 1, 0, 1, fixture.write(List.of(row(1, "a")))));

        assertThat(TestTables.rows(table, server.hadoopOptions(), row -> row.getInt(0)))
                .containsExactly(1);
    }

    @Test
    void writersThatCollideOnASlowStoreLoseNothing() throws Exception {
        WriteFixture fixture = fixture();
        fixture.table().createOrValidate();
        server.delayCommits(30);
        ExecutorService pool = Executors.newFixedThreadPool(3);
        List<Future<Integer>> writers = new ArrayList<>();
        for (int writer = 0; writer < 3; writer++) {
            String appId = "writer-" + writer;
            int first = writer * 100;
            writers.add(pool.submit(() -> {
                TableCommitter committer = fixture.committer(0);
                int retries = 0;
                for (int i = 1; i <= 6; i++) {
                    var files = fixture.write(List.of(row(first + i, "r")));
                    retries += committer
                            .commit(new CheckpointCommit(appId, i, i - 1, first + i, files))
                            .retries();
                }
                return retries;
            }));
        }
        int retries = 0;
        for (Future<Integer> writer : writers) {
            retries += writer.get();
        }
        pool.shutdown();

        assertThat(retries).as("the writers did collide").isPositive();
        assertThat(TestTables.rows(table, server.hadoopOptions(), row -> row.getInt(0)))
                .hasSize(18)
                .doesNotHaveDuplicates();
    }

    private WriteFixture fixture() {
        return new WriteFixture(new TableSettings(
                table, TYPE, List.of("region"), Map.of(), server.hadoopOptions(), SchemaEvolution.NO, 30));
    }

    private static GenericRowData row(int id, String region) {
        return GenericRowData.of(id, StringData.fromString(region));
    }
}
