package io.lakehouse.flink.delta.internal.parquet;

import io.delta.kernel.expressions.Literal;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.apache.parquet.column.statistics.Statistics;

/** Bounds of a string column, shortened to the 32 characters that Delta writers keep in the log. */
final class StringBounds {

    static final int MAX_CHARACTERS = 32;

    /** The largest code point: nothing that begins with the prefix sorts after the prefix and this one. */
    private static final String LARGEST = new String(Character.toChars(Character.MAX_CODE_POINT));

    private StringBounds() {}

    static Bounds of(List<Statistics<?>> rowGroups) {
        byte[] minimum = null;
        byte[] maximum = null;
        for (Statistics<?> rowGroup : rowGroups) {
            byte[] low = rowGroup.getMinBytes();
            byte[] high = rowGroup.getMaxBytes();
            minimum = minimum == null || Arrays.compareUnsigned(low, minimum) < 0 ? low : minimum;
            maximum = maximum == null || Arrays.compareUnsigned(high, maximum) > 0 ? high : maximum;
        }
        return new Bounds(
                decoded(minimum).map(StringBounds::prefix).map(Literal::ofString),
                decoded(maximum).flatMap(StringBounds::raised).map(Literal::ofString));
    }

    /** Empty for bytes that are not UTF-8: as a string with replacement characters they would be another value. */
    private static Optional<String> decoded(byte[] bytes) {
        try {
            return Optional.of(StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString());
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
    }

    private static String prefix(String value) {
        return value.codePointCount(0, value.length()) <= MAX_CHARACTERS
                ? value
                : value.substring(0, value.offsetByCodePoints(0, MAX_CHARACTERS));
    }

    /** A short string that is at least {@code value}; none where what is cut off begins with the largest code point. */
    private static Optional<String> raised(String value) {
        String prefix = prefix(value);
        if (prefix.length() == value.length()) {
            return Optional.of(value);
        }
        return value.startsWith(LARGEST, prefix.length()) ? Optional.empty() : Optional.of(prefix + LARGEST);
    }
}
