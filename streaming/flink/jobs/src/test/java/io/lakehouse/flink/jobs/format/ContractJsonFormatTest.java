package io.lakehouse.flink.jobs.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lakehouse.flink.jobs.TestContract;
import io.lakehouse.flink.jobs.TestDeserialization;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.SimpleCounter;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.junit.jupiter.api.Test;

class ContractJsonFormatTest {
    private static final ObjectMapper JACKSON = new ObjectMapper();
    private static final String PAIR =
            "[{\"name\": \"text\", \"type\": \"string\"}, {\"name\": \"number\", \"type\": \"bigint\", \"required\": true}]";

    private final Counter rejected = new SimpleCounter();

    @Test
    void everyTypeIsWhatFlinkHoldsItAs() throws Exception {
        var format = open(
                TestContract.EVERY_TYPE,
                "id",
                "text",
                "flag",
                "small",
                "large",
                "real",
                "day",
                "moment",
                "text_or",
                "flag_or",
                "moment_or");
        RowData row = format.deserialize(
                bytes(
                        """
                {"id": 1, "text": "Z\\u00fcrich", "flag": true, "small": -10, "large": -9223372036854775808, "real": -2.5e-3,
                 "day": "1969-12-31", "moment": "1969-12-31T23:59:59.999999Z", "happened": "2026-03-01T00:00:00.123456Z"}"""));
        assertThat(row)
                .isEqualTo(GenericRowData.of(
                        1L,
                        StringData.fromString("Zürich"),
                        true,
                        -10,
                        Long.MIN_VALUE,
                        -0.0025,
                        -1,
                        TimestampData.fromEpochMillis(-1, 999_000),
                        StringData.fromString("none"),
                        true,
                        TimestampData.fromInstant(Instant.parse("2026-03-01T00:00:00.123456Z"))));
    }

    @Test
    void absentValuesAreNull() throws Exception {
        RowData row = open(PAIR, "text", "number").deserialize(bytes("{\"number\": 1}"));
        assertThat(row).isEqualTo(GenericRowData.of(null, 1L));
    }

    @Test
    void whatIsInvalidIsLeftOutAndCountedAlsoForColumnsNobodyAskedFor() throws Exception {
        var format = open(PAIR, "text");
        assertThat(format.deserialize(bytes("{\"text\": \"a\", \"number\": \"1\"}")))
                .isNull();
        assertThat(format.deserialize(bytes("{"))).isNull();
        assertThat(format.deserialize(null)).isNull();
        assertThat(rejected.getCount()).isEqualTo(3);
        assertThat(format.deserialize(bytes("{\"text\": \"a\", \"number\": 1}")))
                .isNotNull();
        assertThat(rejected.getCount()).isEqualTo(3);
    }

    @Test
    void rowsThatAreKeptStayAsTheyWere() throws Exception {
        var format = open(PAIR, "number", "text");
        Random random = new Random(7);
        List<RowData> kept = new ArrayList<>();
        List<RowData> expected = new ArrayList<>();
        int invalid = 0;
        for (int i = 0; i < 20_000; i++) {
            String message = message(random, i);
            RowData row = format.deserialize(bytes(message));
            RowData oracle = oracle(message);
            if (oracle == null) {
                assertThat(row).as(message).isNull();
                invalid++;
            } else {
                kept.add(row);
                expected.add(oracle);
            }
        }
        assertThat(kept).isEqualTo(expected).hasSizeGreaterThan(4000);
        assertThat(rejected.getCount()).isEqualTo(invalid).isGreaterThan(5000);
    }

    @Test
    void aColumnThatTheContractDoesNotHaveSoIsNamed() {
        TableEnvironment sql = TableEnvironment.create(EnvironmentSettings.inStreamingMode());
        assertThatThrownBy(() -> plan(sql, "a", "nummer BIGINT"))
                .hasStackTraceContaining("Column 'nummer' is none of the events. These have: [text, number]");
        assertThatThrownBy(() -> plan(sql, "b", "number INT"))
                .hasStackTraceContaining("Column 'number' is INT, but the events have it as BIGINT NOT NULL");
        assertThatThrownBy(() -> plan(sql, "c", "text STRING NOT NULL"))
                .hasStackTraceContaining("Column 'text' is STRING NOT NULL, but the events have it as STRING");
        assertThat(plan(sql, "d", "number BIGINT")).contains("number");
    }

    private static String plan(TableEnvironment sql, String name, String columns) {
        sql.executeSql(
                "CREATE TABLE %s (%s) WITH ('connector' = 'kafka', 'topic' = 't', 'properties.bootstrap.servers' = 'nowhere:1', 'properties.group.id' = 'g', 'format' = 'contract-json', 'contract-json.columns' = '%s')"
                        .formatted(name, columns, PAIR));
        return sql.explainSql("SELECT * FROM " + name);
    }

    private EventRowDeserializer open(String columns, String... wanted) {
        var format = new EventRowDeserializer(columns, List.of(wanted), null);
        format.open(new TestDeserialization(new UnregisteredMetricsGroup() {
            @Override
            public Counter counter(String name) {
                assertThat(name).isEqualTo("eventsRejected");
                return rejected;
            }
        }));
        return format;
    }

    private static String message(Random random, int i) {
        String text = List.of("\"plain %d\"", "\"esc\\u0061ped %d \\uD83D\\uDE00\"", "null", "\"é😀\"", "true")
                .get(random.nextInt(5));
        String number = List.of("%d", "-%d", "%d.5", "\"%d\"", "null", "%d000000000000000000")
                .get(random.nextInt(6));
        String json = "{\"other\": [{}], \"number\": %s, \"text\": %s}"
                .formatted(number, text)
                .replace("%d", String.valueOf(i));
        return random.nextInt(10) == 0 ? json.substring(0, json.length() - 1) : json;
    }

    /** The row of a message by Jackson's tree model. */
    private static RowData oracle(String message) {
        try {
            JsonNode event = JACKSON.readTree(message);
            JsonNode number = event.get("number");
            JsonNode text = event.get("text");
            boolean valid =
                    number.isIntegralNumber() && number.canConvertToLong() && (text.isTextual() || text.isNull());
            return valid ? GenericRowData.of(number.longValue(), StringData.fromString(text.textValue())) : null;
        } catch (JsonProcessingException error) {
            return null;
        }
    }

    private static byte[] bytes(String message) {
        return message.getBytes(StandardCharsets.UTF_8);
    }
}
