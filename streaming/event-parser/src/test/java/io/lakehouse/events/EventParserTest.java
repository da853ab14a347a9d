package io.lakehouse.events;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import org.junit.jupiter.api.Test;

/** What is special to this class. The rules case by case: tests/integration/test_spark_parse.py. */
class EventParserTest {
    private static final EventSchema SCHEMA = EventSchema.fromJson(
            """
            [{"name": "id", "type": "string", "required": true},
             {"name": "count", "type": "int", "minimum": 1.5, "maximum": 10},
             {"name": "last", "type": "date", "default_from": "middle"},
             {"name": "middle", "type": "date", "default_from": "first"},
             {"name": "first", "type": "date", "default": "2026-01-31"}]
            """);

    private final EventParser parser = new EventParser(SCHEMA);

    private ParsedEvent parse(String message) {
        return parser.parse(message.getBytes(StandardCharsets.UTF_8));
    }

    private static String text(ParsedEvent event, int column) {
        return new String(event.bytes(column), event.start(column), event.length(column), StandardCharsets.UTF_8);
    }

    @Test
    void aStringIsARangeOfTheMessageItself() {
        byte[] message = "{\"id\": \"v-1\"}".getBytes(StandardCharsets.UTF_8);
        ParsedEvent event = parser.parse(message);
        assertThat(event.bytes(0)).isSameAs(message);
        assertThat(text(event, 0)).isEqualTo("v-1");
    }

    @Test
    void aStringWithEscapesIsReadIntoBytesOfItsOwn() {
        assertThat(text(parse("{\"id\": \"a\\u00e9\\uD83D\\uDE00\\n\\/\"}"), 0)).isEqualTo("aé😀\n/");
    }

    @Test
    void nothingOfAMessageIsSeenInTheNext() {
        assertThat(parse("{\"id\": 5}").reason()).isNotNull();
        assertThat(parse("{\"id\": \"v-1\", \"count\": 7}").longValue(1)).isEqualTo(7);
        ParsedEvent event = parse("{\"id\": \"v-2\"}");
        assertThat(event.reason()).isNull();
        assertThat(event.isNull(1)).isTrue();
        assertThat(text(event, 0)).isEqualTo("v-2");
    }

    @Test
    void aDefaultIsCopiedAlongAChainWhateverTheOrderOfItsColumns() {
        long given = LocalDate.of(2026, 2, 1).toEpochDay();
        assertThat(parse("{\"id\": \"v\", \"middle\": \"2026-02-01\"}").longValue(2))
                .isEqualTo(given);
        assertThat(parse("{\"id\": \"v\"}").longValue(2))
                .isEqualTo(LocalDate.of(2026, 1, 31).toEpochDay());
    }

    @Test
    void theFirstFaultOfTheContractsOrderIsTheReason() {
        assertThat(parse("{\"first\": \"x\", \"count\": \"x\", \"id\": 1}").reason())
                .isEqualTo("wrong_type: id should be string, is 1");
        assertThat(parse("{\"id\": \"v\", \"last\": \"x\", \"first\": \"y\"}").reason())
                .isEqualTo("invalid_date: last is \"x\"");
    }

    @Test
    void aBoundWithAFractionHoldsForIntegers() {
        assertThat(parse("{\"id\": \"v\", \"count\": 2}").reason()).isNull();
        assertThat(parse("{\"id\": \"v\", \"count\": 1}").reason()).isEqualTo("out_of_range: count is below 1.5: 1");
    }

    @Test
    void nestingAsDeepAsJacksonReadsIsReadAndNoDeeper() {
        assertThat(parse("{\"id\": \"v\", \"extra\": " + "[".repeat(1000) + "]".repeat(1000) + "}")
                        .reason())
                .isNull();
        assertThat(parse("{\"id\": \"v\", \"extra\": " + "[".repeat(1001) + "]".repeat(1001) + "}")
                        .reason())
                .startsWith("invalid_json");
    }

    @Test
    void aReasonSaysWhereTheJsonBreaks() {
        assertThat(parse("{\"id\" = \"v\"}").reason()).isEqualTo("invalid_json: not JSON, from byte 6 on");
    }

    @Test
    void aMessageWithoutAValueHasAReasonOfItsOwn() {
        assertThat(parser.parse(null).reason()).isEqualTo("null_value: the message has no value");
    }
}
