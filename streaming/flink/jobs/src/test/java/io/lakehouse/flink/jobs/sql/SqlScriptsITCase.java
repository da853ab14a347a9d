package io.lakehouse.flink.jobs.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.delta.kernel.data.Row;
import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.delta.TestTables;
import io.lakehouse.flink.jobs.TestContract;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.events.TableColumns;
import io.lakehouse.flink.jobs.run.JobSettings;
import io.lakehouse.flink.jobs.run.Tables;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.checkpoint.CheckpointException;
import org.apache.flink.runtime.testutils.MiniClusterResourceConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.test.junit5.MiniClusterExtension;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The scripts that are shipped, with the contracts that are shipped, on a real (small) cluster; the topics are lists. */
@Timeout(300)
class SqlScriptsITCase {
    private static final Path STREAMING = Path.of("../..");

    @RegisterExtension
    static final MiniClusterExtension FLINK = new MiniClusterExtension(new MiniClusterResourceConfiguration.Builder()
            .setNumberTaskManagers(1)
            .setNumberSlotsPerTaskManager(4)
            .build());

    @TempDir
    Path root;

    @AfterEach
    void clear() {
        TestTopic.clear();
    }

    @Test
    void aWindowsMetricsAreInTheTableAndInTheTopic() throws Exception {
        TestTopic.of("orders.events")
                .with(List.of(
                        order("a", "c", 100, "paid", "12:00:00"),
                        order("b", "c", 201, "paid", "12:04:59.999"),
                        order("c", "c", 50, null, "12:01:00"),
                        "not an order",
                        order("d", "c", -1, "paid", "12:01:00"),
                        order("e", "c", 7, "paid", "12:05:00"),
                        order("f", "c", Long.MAX_VALUE, "placed", "12:01:00"),
                        order("g", "c", 1, "placed", "12:01:00")));
        run("order_metrics_5min_sql");

        assertThat(rows("streaming/order_metrics_5min_sql", SqlScriptsITCase::metrics))
                .containsExactlyInAnyOrder(
                        "12:00:00Z 12:05:00Z paid 2 301 150.5 201",
                        "12:00:00Z 12:05:00Z null 1 50 50.0 50",
                        "12:00:00Z 12:05:00Z placed 2 null null " + Long.MAX_VALUE,
                        "12:05:00Z 12:10:00Z paid 1 7 7.0 7");
        assertThat(TestTopic.of("orders.metrics.5min.sql").written)
                .hasSize(4)
                .anyMatch(row ->
                        row.startsWith("+I[2026-03-01T12:00:00Z, 2026-03-01T12:05:00Z, paid, 2, 301, 150.5, 201,"))
                .anyMatch(row -> row.startsWith("+I[2026-03-01T12:00:00Z, 2026-03-01T12:05:00Z, (none), 1, 50,"));
    }

    @Test
    void aReplayFillsTheTableAndLeavesTheTopicAlone() throws Exception {
        TestTopic.of("orders.events").with(List.of(order("a", "c", 100, "paid", "12:00:00")));
        Contract contract = contract("order_metrics_5min_sql");
        create(contract);
        ScriptRunner runner = runner(contract, new Configuration());
        runner.submit(runner.planOf(script(contract), tables().location(contract.table())))
                .await();

        assertThat(rows("streaming/order_metrics_5min_sql", SqlScriptsITCase::metrics))
                .containsExactly("12:00:00Z 12:05:00Z paid 1 100 100.0 100");
        assertThat(TestTopic.of("orders.metrics.5min.sql").written).isEmpty();
    }

    @Test
    void aReplayOfAScriptThatDoesNotFillItsTableIsRefused() throws Exception {
        Contract contract = contract("order_metrics_5min_sql");
        ScriptRunner runner = runner(contract, new Configuration());
        assertThatThrownBy(() -> runner.planOf(script(contract), "/elsewhere"))
                .hasMessageContaining("no INSERT goes into a table declared WITH (${table_options})");
    }

    @Test
    void theKafkaConnectorTakesTheOptionsOfAReplay() throws Exception {
        Contract contract = contract("order_metrics_5min_sql");
        Map<String, String> values = values(contract);
        Map<Integer, Long> ends = Map.of(1, 7L, 0, 42L);
        values.putAll(ContractVariables.of(contract, tables(), kafka(), "flink", ends));
        assertThat(values.get("event_options"))
                .contains("'scan.bounded.specific-offsets' = 'partition:0,offset:42;partition:1,offset:7'")
                .doesNotContain("idle-timeout");
        ScriptRunner runner = new ScriptRunner(flink(new Configuration()), contract, file(contract), variables(values));
        assertThat(runner.planOf(Files.readString(file(contract)), tables().location(contract.table())))
                .contains("orders")
                .doesNotContain("metrics_topic");
    }

    @Test
    void aWindowThatAStoppedJobBeganIsGoneOnWith() throws Exception {
        TestTopic topic = TestTopic.of("orders.events").with(List.of(order("a", "c", 100, "paid", "12:00:00")));
        topic.endless = true;
        JobClient first = submit("order_metrics_5min_sql", new Configuration());
        await(topic.messages::isEmpty);
        String savepoint = stop(first);

        topic.with(List.of(order("b", "c", 20, "paid", "12:00:01"), order("c", "c", 1, "paid", "12:09:00")));
        JobClient second = submit(
                "order_metrics_5min_sql", new Configuration().set(StateRecoveryOptions.SAVEPOINT_PATH, savepoint));
        await(() -> !TestTopic.of("orders.metrics.5min.sql").written.isEmpty());
        stop(second);

        assertThat(rows("streaming/order_metrics_5min_sql", SqlScriptsITCase::metrics))
                .containsExactly("12:00:00Z 12:05:00Z paid 2 120 60.0 100");
    }

    @Test
    void aLargeOrderRightAfterThreeSmallOnesIsAnAlert() throws Exception {
        TestTopic.of("orders.events")
                .with(List.of(
                        placed("a1", "anna", 300, "12:00:00"),
                        placed("a2", "anna", 500, "12:01:00"),
                        order("a2", "anna", 500, "paid", "12:01:30"),
                        placed("b1", "ben", 90_000, "12:01:40"),
                        placed("a4", "anna", 100_000, "12:09:59"),
                        // Out of order, by less than the watermark waits; and twice.
                        placed("a3", "anna", 200, "12:09:40"),
                        placed("a3", "anna", 200, "12:09:40"),
                        placed("a5", "anna", 170_000, "12:10:00")));
        run("fraud_alerts");

        assertThat(rows(
                        "streaming/fraud_alerts",
                        row -> row.getString(0) + " " + row.getString(1) + " " + row.getLong(2) + " " + row.getLong(3)
                                + " " + row.getString(4) + " " + row.getLong(5) + " " + time(row, 6) + " "
                                + time(row, 7)))
                .containsExactly("anna USD 3 1000 a4 100000 12:00:00Z 12:09:59Z");
    }

    @Test
    void whatLooksLikeCardTestingAndIsNoneRaisesNoAlert() throws Exception {
        TestTopic.of("orders.events")
                .with(List.of(
                        // Too slow.
                        placed("a1", "anna", 300, "12:00:00"),
                        placed("a2", "anna", 300, "12:01:00"),
                        placed("a3", "anna", 300, "12:02:00"),
                        placed("a4", "anna", 100_000, "12:10:01"),
                        // One in between.
                        placed("b1", "ben", 300, "12:00:00"),
                        placed("b2", "ben", 300, "12:01:00"),
                        placed("b3", "ben", 300, "12:02:00"),
                        placed("b4", "ben", 600, "12:02:30"),
                        placed("b5", "ben", 100_000, "12:03:00"),
                        // One of the small orders came twice.
                        placed("c1", "cleo", 300, "12:00:00"),
                        placed("c2", "cleo", 300, "12:01:00"),
                        placed("c2", "cleo", 300, "12:01:00"),
                        placed("c3", "cleo", 100_000, "12:03:00"),
                        // Another currency.
                        placed("d1", "dora", 300, "12:00:00"),
                        placed("d2", "dora", 300, "12:01:00"),
                        placed("d3", "dora", 300, "12:02:00").replace("}", ", \"currency\": \"EUR\"}"),
                        placed("d4", "dora", 100_000, "12:03:00")));
        run("fraud_alerts");

        assertThat(rows("streaming/fraud_alerts", row -> row.getString(4))).isEmpty();
    }

    @Test
    void anOrderHasItsCustomerAsOfItsTime() throws Exception {
        TestTopic.of("orders.events")
                .with(List.of(
                        order("a", "anna", 1, "paid", "12:05:00"),
                        order("b", "anna", 1, "paid", "12:15:00"),
                        order("c", "anna", 1, "paid", "11:59:59"),
                        order("d", "nobody", 1, "paid", "12:05:00")));
        TestTopic.of("customers.changes")
                .with(List.of(
                        customer("anna", "Anna Berg", "DE", "12:00:00"),
                        customer("ben", "Ben", "US", "12:00:00"),
                        customer("anna", "Anna Berg", "FR", "12:10:00")));
        run("examples/orders_as_of_customer");

        assertThat(rows(
                        "streaming/orders_as_of_customer",
                        row -> row.getString(0) + " " + text(row, 7) + " " + text(row, 8) + " "
                                + (row.isNullAt(10) ? null : time(row, 10)) + " " + row.getBoolean(11)))
                .containsExactlyInAnyOrder(
                        "a Anna Berg DE 12:00:00Z true",
                        "b Anna Berg FR 12:10:00Z true",
                        "c null null null false",
                        "d null null null false");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"order_metrics_5min_sql", "orders_enriched", "fraud_alerts", "examples/orders_as_of_customer"})
    void theConnectorsOfAScriptTakeTheOptionsThatTheyAreGiven(String name) throws Exception {
        Contract contract = contract(name);
        ScriptRunner runner =
                new ScriptRunner(flink(new Configuration()), contract, file(contract), variables(values(contract)));
        assertThat(runner.plan(Files.readString(file(contract)))).contains("orders");
    }

    @Test
    void aScriptHasTheSamePlanHoweverManyWereCompiledBefore() throws Exception {
        Contract contract = contract("order_metrics_5min_sql");
        String plan = runner(contract, new Configuration()).plan(script(contract));
        assertThat(runner(contract, new Configuration()).plan(script(contract))).isEqualTo(plan);
    }

    @Test
    void aSecretIsInNoPlan() throws Exception {
        Contract contract = contract("orders_enriched");
        String plan = runner(contract, new Configuration()).plan(script(contract));
        assertThat(plan).contains("customers").doesNotContain("hunter2");
    }

    private void run(String contract) throws Exception {
        submit(contract, new Configuration()).getJobExecutionResult().get();
    }

    private JobClient submit(String name, Configuration more) throws Exception {
        Contract contract = contract(name);
        create(contract);
        ScriptRunner runner = runner(contract, more);
        return runner.submit(runner.plan(script(contract))).getJobClient().orElseThrow();
    }

    private void create(Contract contract) throws Exception {
        TestContract.create(
                tables(),
                contract.table(),
                TableColumns.declared(EventSchema.fromJson(contract.columns())),
                contract.partitionBy());
    }

    /** Stops a job as soon as all of it runs. */
    private String stop(JobClient job) throws Exception {
        while (true) {
            try {
                return job.stopWithSavepoint(
                                false, root.resolve("savepoints").toString(), SavepointFormatType.CANONICAL)
                        .get();
            } catch (ExecutionException error) {
                if (!(error.getCause() instanceof CheckpointException)) {
                    throw error;
                }
                Thread.sleep(20);
            }
        }
    }

    private ScriptRunner runner(Contract contract, Configuration more) {
        Map<String, String> values = values(contract);
        values.put(
                "event_options",
                "'connector' = 'test-topic', 'topic' = '%s', 'format' = 'contract-json', 'contract-json.columns' = '%s'"
                        .formatted(
                                contract.source().topic(),
                                Columns.schema(contract.source().columns())));
        return new ScriptRunner(flink(more), contract, Path.of("test.sql"), variables(values));
    }

    private static StreamExecutionEnvironment flink(Configuration more) {
        Configuration settings = JobSettings.settings(more, Optional.of(Duration.ofMillis(50)), Duration.ofSeconds(1));
        settings.addAll(more);
        return StreamExecutionEnvironment.getExecutionEnvironment(settings).setParallelism(2);
    }

    private Map<String, String> values(Contract contract) {
        Map<String, String> values =
                new HashMap<>(ContractVariables.of(contract, tables(), kafka(), "flink", Map.of()));
        values.put("postgres_url", "jdbc:postgresql://nowhere/shop");
        values.put("postgres_user", "flink");
        return values;
    }

    /** With what no script's own variables are: it is for Kafka's clients to resolve. */
    private static Properties kafka() {
        Properties properties = new Properties();
        properties.setProperty("bootstrap.servers", "nowhere:9092");
        properties.setProperty("sasl.jaas.config", "PlainLoginModule required password=\"${env:PASSWORD}\";");
        return properties;
    }

    private static Variables variables(Map<String, String> values) {
        return new Variables(values, name -> "hunter2");
    }

    private Tables tables() {
        return new Tables(root.toString(), Map.of());
    }

    /** The contract as the platform gives it to a job: with the columns of the events. */
    private static Contract contract(String name) throws Exception {
        ObjectMapper yaml = new ObjectMapper(new YAMLFactory());
        Path contracts = STREAMING.resolve("contracts");
        ObjectNode contract =
                (ObjectNode) yaml.readTree(contracts.resolve(name + ".yaml").toFile());
        ObjectNode events =
                (ObjectNode) yaml.readTree(contracts.resolve("orders.yaml").toFile());
        ((ObjectNode) contract.get("source")).put("event_time", "event_time").set("columns", events.get("columns"));
        return Contract.parse(contract.toString());
    }

    /** The script as it is shipped, with other topics: only the connector's name stands in the place of its options. */
    private static String script(Contract contract) throws Exception {
        return Files.readString(file(contract)).replace("'upsert-kafka'", "'test-topic'");
    }

    private static Path file(Contract contract) {
        String name = contract.table().equals("streaming.order_metrics_5min_sql")
                ? "order_metrics_5min"
                : contract.table().substring(contract.table().indexOf('.') + 1);
        return STREAMING.resolve("flink/sql/" + name + ".sql");
    }

    private static String placed(String id, String customer, long cents, String time) {
        return order(id, customer, cents, "placed", time);
    }

    private static String order(String id, String customer, long cents, String status, String time) {
        return "{\"order_id\": \"%s\", \"customer_id\": \"%s\", \"amount_cents\": %d, \"status\": %s, \"event_time\": \"2026-03-01T%sZ\"}"
                .formatted(id, customer, cents, status == null ? null : "\"" + status + "\"", time);
    }

    private static String customer(String id, String name, String country, String time) {
        return "{\"customer_id\": \"%s\", \"name\": \"%s\", \"country\": \"%s\", \"updated_at\": \"2026-03-01T%sZ\"}"
                .formatted(id, name, country, time);
    }

    private static String metrics(Row row) {
        return time(row, 0) + " " + time(row, 1) + " " + text(row, 2) + " " + row.getLong(3) + " "
                + (row.isNullAt(4) ? null : row.getLong(4)) + " " + (row.isNullAt(5) ? null : row.getDouble(5)) + " "
                + row.getLong(6);
    }

    private static String text(Row row, int column) {
        return row.isNullAt(column) ? null : row.getString(column);
    }

    private static String time(Row row, int column) {
        return Instant.ofEpochMilli(row.getLong(column) / 1000).toString().substring(11);
    }

    private static void await(Supplier<Boolean> condition) throws InterruptedException {
        while (!condition.get()) {
            Thread.sleep(20);
        }
    }

    private <R> List<R> rows(String table, Function<Row, R> reader) throws Exception {
        return TestTables.rows(root.resolve(table), reader);
    }
}
