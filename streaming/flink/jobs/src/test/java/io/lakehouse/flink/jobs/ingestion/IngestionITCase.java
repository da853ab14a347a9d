package io.lakehouse.flink.jobs.ingestion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.delta.kernel.data.Row;
import io.lakehouse.flink.delta.TestTables;
import io.lakehouse.flink.jobs.TestContract;
import io.lakehouse.flink.jobs.TestMessages;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.run.JobSettings;
import io.lakehouse.flink.jobs.run.Tables;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.LongStream;
import java.util.stream.StreamSupport;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.runtime.jobgraph.JobVertex;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.apache.flink.util.function.SerializableFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** A contract's messages through the job into Delta tables, on a real (small) cluster; only the broker is missing. */
@Timeout(300)
class IngestionITCase {
    private static final String NUMBERS =
            """
            [{"name": "id", "type": "bigint", "required": true}, {"name": "bucket", "type": "string"},
             {"name": "happened", "type": "timestamp", "required": true}]""";

    @RegisterExtension
    static final MiniClusterExtension FLINK = new MiniClusterExtension(new MiniClusterResourceConfiguration.Builder()
            .setNumberTaskManagers(2)
            .setNumberSlotsPerTaskManager(2)
            .build());

    @TempDir
    Path root;

    @BeforeEach
    void reset() {
        TestMessages.FAILURES_LEFT.set(0);
    }

    @Test
    void everyTypeIsReadBackAsItWasSent() throws Exception {
        Contract contract = TestContract.of(root, TestContract.EVERY_TYPE, "quarantine");
        String full =
                """
                {"id": %d, "text": "Zürich \\u20ac", "flag": true, "small": -10, "large": -9223372036854775808,
                 "real": -2.5e-3, "day": "1969-12-31", "moment": "2026-03-01T12:00:00.123456789+01:00",
                 "text_or": "", "flag_or": false, "small_or": 2147483647, "real_or": 1, "day_or": "2026-02-28",
                 "happened": "2026-03-01T00:00:00Z", "moment_or": "2026-03-02T00:00:00Z"}""";
        String bare = "{\"id\": %d, \"happened\": \"2026-03-01T00:00:00Z\", \"text\": null}";
        ingest(contract, 2, offset -> (offset == 0 ? full : bare).formatted(offset));

        List<List<Object>> rows = rows("raw.things", row -> values(row, 15));
        long happened = micros("2026-03-01T00:00:00Z");
        List<Object> wholeRow = List.of(
                0L,
                "Zürich €",
                true,
                -10,
                Long.MIN_VALUE,
                -0.0025,
                -1,
                micros("2026-03-01T11:00:00.123456Z"),
                "",
                false,
                Integer.MAX_VALUE,
                1.0,
                (int) LocalDate.parse("2026-02-28").toEpochDay(),
                happened,
                micros("2026-03-02T00:00:00Z"));
        List<Object> bareRow = new ArrayList<>(List.of(1L));
        for (int i = 0; i < 7; i++) {
            bareRow.add(null);
        }
        bareRow.addAll(List.of(
                "none", true, 7, 0.5, (int) LocalDate.parse("2000-01-01").toEpochDay(), happened, happened));
        assertThat(rows).containsExactlyInAnyOrder(wholeRow, bareRow);
    }

    @Test
    void rowsCarryTheirCoordinates() throws Exception {
        long before = micros(Instant.now().toString());
        ingest(TestContract.of(root, NUMBERS, "quarantine"), 1, IngestionITCase::good);

        assertThat(rows("raw.things", row -> List.of(row.getString(3), row.getInt(4), row.getLong(5), row.getLong(6))))
                .containsExactly(List.of("things", 3, 0L, -1000L));
        assertThat(rows("raw.things", row -> row.getLong(7)))
                .allSatisfy(ingestedAt -> assertThat(ingestedAt).isBetween(before - 1000, before + 300_000_000L));
    }

    @Test
    void failuresNeitherLoseNorDoubleAMessage() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "quarantine");
        TestMessages.FAILURES_LEFT.set(3);
        ingest(contract, 3000, offset -> offset % 10 == 0 ? bad(offset) : good(offset));

        assertThat(TestMessages.FAILURES_LEFT).hasValue(0);
        assertThat(rows("raw.things", row -> row.getLong(5)))
                .containsExactlyInAnyOrderElementsOf(offsets(3000, offset -> offset % 10 != 0));
        assertThat(rows("raw.things_rejected", row -> row.getLong(2)))
                .containsExactlyInAnyOrderElementsOf(offsets(3000, offset -> offset % 10 == 0));
    }

    @Test
    void quarantineHoldsTheBytesAndTheReason() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "quarantine");
        ingest(contract, 2, offset -> offset == 0 ? bad(offset) : null);

        assertThat(rows(
                        "raw.things_rejected",
                        row -> row.getLong(2) + " " + text(row, 5) + " " + text(row, 6) + " " + row.getString(7)))
                .containsExactlyInAnyOrder(
                        "0 key 0 " + bad(0L) + " wrong_type: id should be bigint, is \"0\"",
                        "1 key 1 null null_value: the message has no value");
        assertThat(rows("raw.things", row -> row.getLong(5))).isEmpty();
    }

    @Test
    void whatQuarantineHasAlreadyIsNotPutThereAgain() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "quarantine");
        StreamExecutionEnvironment environment = environment();
        new Ingestion(contract, TestContract.create(root, contract), "flink", Map.of(3, 6L))
                .write(TestMessages.of(environment, 10, offset -> offset % 4 == 0 ? bad(offset) : good(offset)));
        environment.execute();

        assertThat(rows("raw.things_rejected", row -> row.getLong(2))).containsExactly(8L);
        assertThat(rows("raw.things", row -> row.getLong(5)))
                .containsExactlyInAnyOrderElementsOf(offsets(10, offset -> offset % 4 != 0));
    }

    @Test
    void dropLeavesInvalidMessagesOut() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "drop");
        ingest(contract, 10, offset -> offset == 4 ? bad(offset) : good(offset));

        assertThat(rows("raw.things", row -> row.getLong(5)))
                .containsExactlyInAnyOrderElementsOf(offsets(10, offset -> offset != 4));
        assertThat(rows("raw.things_rejected", row -> row.getLong(2))).isEmpty();
    }

    @Test
    void failStopsTheJobAndNamesTheMessage() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "fail");
        assertThatThrownBy(() -> ingest(contract, 10, offset -> offset == 4 ? bad(offset) : good(offset)))
                .hasStackTraceContaining("raw.things: an invalid message in topic things, partition 3, offset 4: "
                        + "wrong_type: id should be bigint, is \"4\"");
        assertThat(rows("raw.things", row -> row.getLong(5))).doesNotContain(4L);
    }

    @Test
    void rowsGoIntoThePartitionsOfTheContract() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "quarantine", "bucket");
        ingest(contract, 9, IngestionITCase::good);

        assertThat(rows("raw.things", row -> row.getLong(0) + " " + (row.isNullAt(1) ? null : row.getString(1))))
                .containsExactlyInAnyOrder(
                        "0 null", "1 b1", "2 b2", "3 null", "4 b1", "5 b2", "6 null", "7 b1", "8 b2");
        assertThat(TestTables.dataFiles(root.resolve("raw/things")))
                .allMatch(file -> file.getParent().getFileName().toString().startsWith("bucket="));
    }

    @Test
    void aTableThatThePlatformDidNotCreateIsRefused() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "quarantine");
        Ingestion ingestion = new Ingestion(contract, new Tables(root.toString(), Map.of()), "flink", Map.of());
        StreamExecutionEnvironment environment = environment();
        assertThatThrownBy(() -> ingestion.write(TestMessages.of(environment, 1, IngestionITCase::good)))
                .hasMessageContaining("There is no Delta table raw.things at " + root + "/raw/things");
    }

    @Test
    void messagesReachTheWritersWithoutLeavingTheirThread() throws Exception {
        Contract contract = TestContract.of(root, NUMBERS, "quarantine");
        StreamExecutionEnvironment environment = environment();
        write(environment, contract, 1, IngestionITCase::good);

        List<String> chains = StreamSupport.stream(
                        environment.getStreamGraph().getJobGraph().getVertices().spliterator(), false)
                .map(JobVertex::getName)
                .filter(name -> name.contains("Writer"))
                .toList();
        assertThat(chains)
                .singleElement()
                .asString()
                .startsWith("Source: offsets")
                .contains("parse", "_rejected: Writer");
    }

    private static String good(long offset) {
        String bucket = offset % 3 == 0 ? "null" : "\"b" + offset % 3 + "\"";
        return "{\"id\": %d, \"bucket\": %s, \"happened\": \"2026-03-01T00:00:00Z\"}".formatted(offset, bucket);
    }

    private static String bad(long offset) {
        return "{\"id\": \"%d\", \"happened\": \"2026-03-01T00:00:00Z\"}".formatted(offset);
    }

    private void ingest(Contract contract, long count, SerializableFunction<Long, String> values) throws Exception {
        StreamExecutionEnvironment environment = environment();
        write(environment, contract, count, values);
        environment.execute();
    }

    private void write(
            StreamExecutionEnvironment environment,
            Contract contract,
            long count,
            SerializableFunction<Long, String> values)
            throws Exception {
        Tables tables = TestContract.create(root, contract);
        new Ingestion(contract, tables, "flink", Map.of()).write(TestMessages.of(environment, count, values));
    }

    /** As the jobs run, but with checkpoints at a test's pace, and failing for good when no failure was induced. */
    private static StreamExecutionEnvironment environment() {
        Configuration configuration =
                JobSettings.settings(new Configuration(), Optional.of(Duration.ofMillis(50)), Duration.ofSeconds(1));
        boolean restart = TestMessages.FAILURES_LEFT.get() > 0;
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY, restart ? "fixed-delay" : "none");
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 10);
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(10));
        return StreamExecutionEnvironment.getExecutionEnvironment(configuration).setParallelism(2);
    }

    private <R> List<R> rows(String table, Function<Row, R> reader) throws Exception {
        return TestTables.rows(root.resolve(table.replace('.', '/')), reader);
    }

    private static List<Object> values(Row row, int count) {
        List<Object> values = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            values.add(row.isNullAt(i) ? null : value(row, i));
        }
        return values;
    }

    private static Object value(Row row, int i) {
        return switch (row.getSchema().at(i).getDataType().toString()) {
            case "string" -> row.getString(i);
            case "boolean" -> row.getBoolean(i);
            case "integer", "date" -> row.getInt(i);
            case "double" -> row.getDouble(i);
            default -> row.getLong(i);
        };
    }

    private static String text(Row row, int i) {
        return row.isNullAt(i) ? null : new String(row.getBinary(i), StandardCharsets.UTF_8);
    }

    private static List<Long> offsets(long count, java.util.function.LongPredicate which) {
        return LongStream.range(0, count).filter(which).boxed().toList();
    }

    private static long micros(String instant) {
        Instant at = Instant.parse(instant);
        return at.getEpochSecond() * 1_000_000 + at.getNano() / 1000;
    }
}
