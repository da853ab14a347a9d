package io.lakehouse.events;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Random and spoilt messages are judged and read as Jackson's tree model does. */
class JacksonOracleTest {
    private static final int MESSAGES = 200_000;
    private static final ObjectMapper JACKSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();
    private static final EventSchema SCHEMA = EventSchema.fromJson(
            """
            [{"name": "text", "type": "string"}, {"name": "long", "type": "bigint"}, {"name": "int", "type": "int"},
             {"name": "double", "type": "double"}, {"name": "flag", "type": "boolean"}]
            """);
    private static final String[] VALUES = {
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.0",
        "7",
        "-12",
        "5.5",
        "0.25",
        "1e2",
        "1E400",
        "-1e-400",
        "1.5E-3",
        "9007199254740993",
        "9007199254740993.0",
        "123456789012345.6",
        "0.1234567890123456",
        "2147483648",
        "-2147483648",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551616",
        "01",
        "1.",
        ".5",
        "+1",
        "NaN",
        "nul",
        "\"\"",
        "\"x\"",
        "\"é😀\"",
        "\"\\u00e9\\n\\\"\\\\\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\tb\"",
        "\"}\"",
        "{}",
        "{\"text\":1}",
        "[]",
        "[1,[2],{\"a\":[]}]",
        "[1,]",
        "{\"a\":}",
        "{\"a\":1,}",
        "[}",
        "{]",
        "[\"\\ud83d\"]"
    };
    private static final String[] NAMES = {"text", "long", "int", "double", "flag", "extra", "", "te\\u0078t", "TEXT"};
    private static final String[] BLANKS = {"", "", "", " ", "\n\t\r "};

    private final Random random = new Random(20260101);
    private final EventParser parser = new EventParser(SCHEMA);

    @Test
    void eachMessageIsJudgedAndReadAsJacksonDoes() {
        int good = 0;
        for (int i = 0; i < MESSAGES; i++) {
            byte[] message = message();
            List<Object> expected = oracle(message);
            ParsedEvent event = parser.parse(message);
            List<Object> found = event.reason() == null ? values(event) : null;
            assertThat(found)
                    .as("%s (%s)", new String(message, StandardCharsets.UTF_8), event.reason())
                    .isEqualTo(expected);
            good += expected == null ? 0 : 1;
        }
        assertThat(good).as("messages of both kinds").isBetween(MESSAGES / 5, MESSAGES * 4 / 5);
    }

    private byte[] message() {
        StringBuilder json = new StringBuilder(blank()).append('{');
        int fields = random.nextInt(5);
        for (int i = 0; i < fields; i++) {
            String name = NAMES[random.nextInt(NAMES.length)];
            json.append(i == 0 ? "" : ",")
                    .append(blank())
                    .append('"')
                    .append(name)
                    .append('"');
            json.append(blank()).append(':').append(blank()).append(value(name)).append(blank());
        }
        byte[] message = json.append('}').append(blank()).toString().getBytes(StandardCharsets.UTF_8);
        if (random.nextInt(4) > 0) {
            return message;
        }
        int place = random.nextInt(message.length);
        return switch (random.nextInt(3)) {
            case 0 -> Arrays.copyOf(message, place);
            case 1 -> {
                message[place] = (byte) random.nextInt(256);
                yield message;
            }
            default -> {
                byte[] longer = Arrays.copyOf(message, message.length + 1);
                longer[message.length] = (byte) " }],x\"\0\f".charAt(random.nextInt(8));
                yield longer;
            }
        };
    }

    private String value(String name) {
        if (random.nextInt(5) == 0) {
            return VALUES[random.nextInt(VALUES.length)];
        }
        return switch (name) {
            case "long", "int" -> String.valueOf(random.nextInt());
            case "double" -> String.valueOf(random.nextGaussian() * Math.pow(10, random.nextInt(20)));
            case "flag" -> String.valueOf(random.nextBoolean());
            default -> "\"" + "aé😀}".repeat(random.nextInt(3)) + "\"";
        };
    }

    private String blank() {
        return BLANKS[random.nextInt(BLANKS.length)];
    }

    /** The values of a good message, null for a bad one. */
    private static List<Object> oracle(byte[] message) {
        try {
            // Jackson takes the UTF-8 of half a pair, and JSON in other encodings.
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(message))
                    .toString();
            JsonNode tree = JACKSON.readTree(text);
            if (tree == null
                    || !tree.isObject()
                    || !StandardCharsets.UTF_8.newEncoder().canEncode(strings(text))) {
                return null;
            }
            return Arrays.asList(
                    text(tree.get("text")),
                    integer(tree.get("long"), 63),
                    integer(tree.get("int"), 31),
                    number(tree.get("double")),
                    flag(tree.get("flag")));
        } catch (CharacterCodingException | JsonProcessingException | UnfitException error) {
            return null;
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }

    /** All names and strings of a message in one, those that a later field of the same name hides too. */
    private static String strings(String json) throws IOException {
        StringBuilder all = new StringBuilder();
        try (JsonParser tokens = JACKSON.createParser(json)) {
            while (tokens.nextToken() != null) {
                all.append(tokens.getText()).append(' ');
            }
        }
        return all.toString();
    }

    private static Object text(JsonNode node) {
        return absent(node) ? null : require(node.isTextual(), node.textValue());
    }

    private static Object integer(JsonNode node, int bits) {
        if (absent(node)) {
            return null;
        }
        require(node.isIntegralNumber(), null);
        BigInteger value = node.bigIntegerValue();
        return require(value.bitLength() <= bits, value.longValue());
    }

    private static Object number(JsonNode node) {
        return absent(node)
                ? null
                : require(node.isNumber() && Double.isFinite(node.doubleValue()), node.doubleValue() + 0.0);
    }

    private static Object flag(JsonNode node) {
        return absent(node) ? null : require(node.isBoolean(), node.booleanValue() ? 1L : 0L);
    }

    private static boolean absent(JsonNode node) {
        return node == null || node.isNull();
    }

    private static Object require(boolean fits, Object value) {
        if (!fits) {
            throw new UnfitException();
        }
        return value;
    }

    private static List<Object> values(ParsedEvent event) {
        List<Object> values = new ArrayList<>();
        for (int column = 0; column < SCHEMA.size(); column++) {
            Object value =
                    switch (SCHEMA.type(column)) {
                        case STRING -> event.isNull(column) ? null : string(event, column);
                        case DOUBLE -> event.doubleValue(column);
                        default -> event.longValue(column);
                    };
            values.add(event.isNull(column) ? null : value);
        }
        return values;
    }

    private static String string(ParsedEvent event, int column) {
        return new String(event.bytes(column), event.start(column), event.length(column), StandardCharsets.UTF_8);
    }

    private static final class UnfitException extends RuntimeException {}
}
