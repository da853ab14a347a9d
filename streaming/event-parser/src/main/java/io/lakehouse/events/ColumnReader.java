package io.lakehouse.events;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;

/** Reads the value of one column out of a scanned message, or says why it is none. Nothing is coerced. */
final class ColumnReader {
    private final EventColumn column;
    private final int index;
    /** The column that an absent value is copied from, which was read before; -1 where there is none. */
    private final int copiedFrom;

    private final boolean integral;
    private final long smallest;
    private final long largest;
    private final double lowest;
    private final double highest;
    private final byte[] defaultText;
    private final long defaultValue;

    ColumnReader(EventColumn column, int index, int copiedFrom) {
        this.column = column;
        this.index = index;
        this.copiedFrom = copiedFrom;
        integral = column.type() == EventType.INT || column.type() == EventType.BIGINT;
        lowest = bound(column.minimum(), Double.NEGATIVE_INFINITY);
        highest = bound(column.maximum(), Double.POSITIVE_INFINITY);
        smallest = integral && column.minimum() != null ? ceiling(column.minimum()) : Long.MIN_VALUE;
        largest = integral && column.maximum() != null ? floor(column.maximum()) : Long.MAX_VALUE;
        JsonNode given = column.defaultValue();
        defaultText = given == null ? null : given.asText().getBytes(StandardCharsets.UTF_8);
        defaultValue = given == null ? 0 : defaultValue(column.type(), given, defaultText);
    }

    /** Reads the value into {@code event}; returns the reason why it is not valid, else null. */
    String read(JsonScanner scanner, byte[] json, ParsedEvent event) {
        JsonKind kind = scanner.kind(index);
        if (kind == JsonKind.NONE) {
            return absent(event);
        }
        event.absent[index] = false;
        int start = scanner.start(index);
        int end = scanner.end(index);
        return switch (column.type()) {
            case STRING -> string(kind, json, start, end, event);
            case BOOLEAN -> bool(kind, json, start, end, event);
            case INT, BIGINT -> integer(kind, json, start, end, event);
            case DOUBLE -> decimal(kind, json, start, end, event);
            case DATE, TIMESTAMP -> time(kind, json, start, end, event);
        };
    }

    private String absent(ParsedEvent event) {
        if (column.required()) {
            return Reasons.missing(column);
        }
        if (copiedFrom >= 0) {
            event.copy(copiedFrom, index);
            return null;
        }
        event.absent[index] = defaultText == null;
        event.longs[index] = defaultValue;
        event.setBytes(index, defaultText, 0, defaultText == null ? 0 : defaultText.length);
        return null;
    }

    private String string(JsonKind kind, byte[] json, int start, int end, ParsedEvent event) {
        if (kind == JsonKind.STRING) {
            event.setBytes(index, json, start, end - start);
        } else if (kind == JsonKind.ESCAPED) {
            byte[] text = JsonText.unescape(json, start, end);
            event.setBytes(index, text, 0, text.length);
        } else {
            return Reasons.wrongType(column, JsonText.shown(json, start, end));
        }
        return null;
    }

    private String bool(JsonKind kind, byte[] json, int start, int end, ParsedEvent event) {
        if (kind != JsonKind.TRUE && kind != JsonKind.FALSE) {
            return Reasons.wrongType(column, shown(kind, json, start, end));
        }
        event.longs[index] = kind == JsonKind.TRUE ? 1 : 0;
        return null;
    }

    private String integer(JsonKind kind, byte[] json, int start, int end, ParsedEvent event) {
        if (kind != JsonKind.INTEGER) {
            return Reasons.wrongType(column, shown(kind, json, start, end));
        }
        boolean fits = JsonNumber.fitsLong(json, start, end);
        long value = fits ? JsonNumber.integer(json, start, end) : 0;
        if (!fits || (column.type() == EventType.INT && value != (int) value)) {
            return Reasons.tooLarge(column, JsonText.shown(json, start, end));
        }
        event.longs[index] = value;
        return within(value >= smallest, value <= largest, json, start, end);
    }

    private String decimal(JsonKind kind, byte[] json, int start, int end, ParsedEvent event) {
        if (kind != JsonKind.INTEGER && kind != JsonKind.DECIMAL) {
            return Reasons.wrongType(column, shown(kind, json, start, end));
        }
        double value = JsonNumber.decimal(json, start, end);
        if (Double.isInfinite(value)) {
            return Reasons.tooLarge(column, JsonText.shown(json, start, end));
        }
        // One zero only: engines that group by bits would tell -0.0 from 0.0.
        event.longs[index] = Double.doubleToLongBits(value + 0.0);
        return within(value >= lowest, value <= highest, json, start, end);
    }

    private String within(boolean notBelow, boolean notAbove, byte[] json, int start, int end) {
        if (notBelow && notAbove) {
            return null;
        }
        String shown = JsonText.shown(json, start, end);
        return notBelow ? Reasons.above(column, shown) : Reasons.below(column, shown);
    }

    private String time(JsonKind kind, byte[] json, int start, int end, ParsedEvent event) {
        long value = IsoTime.INVALID;
        if (kind == JsonKind.STRING) {
            value = time(column.type(), json, start, end);
        } else if (kind == JsonKind.ESCAPED) {
            byte[] text = JsonText.unescape(json, start, end);
            value = time(column.type(), text, 0, text.length);
        }
        event.longs[index] = value;
        return value == IsoTime.INVALID ? Reasons.invalid(column, shown(kind, json, start, end)) : null;
    }

    private static long time(EventType type, byte[] text, int start, int end) {
        return type == EventType.DATE ? IsoTime.date(text, start, end) : IsoTime.timestamp(text, start, end);
    }

    /** The JSON as it stands, a string with its quotes. */
    private static String shown(JsonKind kind, byte[] json, int start, int end) {
        boolean quoted = kind == JsonKind.STRING || kind == JsonKind.ESCAPED;
        return quoted ? JsonText.shown(json, start - 1, end + 1) : JsonText.shown(json, start, end);
    }

    private static double bound(BigDecimal bound, double none) {
        return bound == null ? none : bound.doubleValue();
    }

    private static long ceiling(BigDecimal bound) {
        return bound.setScale(0, RoundingMode.CEILING).longValueExact();
    }

    private static long floor(BigDecimal bound) {
        return bound.setScale(0, RoundingMode.FLOOR).longValueExact();
    }

    private static long defaultValue(EventType type, JsonNode given, byte[] text) {
        return switch (type) {
            case STRING -> 0;
            case BOOLEAN -> given.booleanValue() ? 1 : 0;
            case INT, BIGINT -> given.longValue();
            case DOUBLE -> Double.doubleToLongBits(given.doubleValue());
            case DATE, TIMESTAMP -> time(type, text, 0, text.length);
        };
    }
}
