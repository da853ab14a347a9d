package io.lakehouse.flink.delta.internal.parquet;

import io.delta.kernel.expressions.Literal;
import io.delta.kernel.types.BooleanType;
import io.delta.kernel.types.ByteType;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.DateType;
import io.delta.kernel.types.DecimalType;
import io.delta.kernel.types.DoubleType;
import io.delta.kernel.types.FloatType;
import io.delta.kernel.types.IntegerType;
import io.delta.kernel.types.LongType;
import io.delta.kernel.types.ShortType;
import io.delta.kernel.types.StringType;
import io.delta.kernel.types.TimestampNTZType;
import io.delta.kernel.types.TimestampType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.time.LocalDate;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.apache.parquet.column.statistics.Statistics;

/**
 * The smallest and largest value of a column in a file, or bounds outside of them.
 *
 * <ul>
 *   <li>Timestamps: the log holds milliseconds, so the maximum is rounded up. Rounded down, as readers that add a
 *       millisecond of their own expect, it would hide the newest rows from readers that do not.
 *   <li>Floating point: none where a NaN or an infinity occurs, which JSON cannot hold; zero counts as both signs.
 *   <li>Strings: shortened, see {@link StringBounds}.
 *   <li>Dates and timestamps outside of the years 1 to 9999: none, as engines differ in reading them.
 *   <li>Booleans and binary: none, as in Spark.
 * </ul>
 */
record Bounds(Optional<Literal> minimum, Optional<Literal> maximum) {

    private static final Bounds NONE = new Bounds(Optional.empty(), Optional.empty());

    private static final long FIRST_DAY = LocalDate.of(1, 1, 1).toEpochDay();
    private static final long LAST_DAY = LocalDate.of(9999, 12, 31).toEpochDay();
    private static final long MICROS_PER_DAY = 86_400_000_000L;

    static Bounds of(DataType type, List<Statistics<?>> rowGroups) {
        if (rowGroups.isEmpty() || type instanceof BooleanType) return NONE;
        if (type instanceof ByteType) return whole(rowGroups, v -> Literal.ofByte((byte) (long) v));
        if (type instanceof ShortType) return whole(rowGroups, v -> Literal.ofShort((short) (long) v));
        if (type instanceof IntegerType) return whole(rowGroups, v -> Literal.ofInt((int) (long) v));
        if (type instanceof LongType) return whole(rowGroups, Literal::ofLong);
        if (type instanceof DateType) return date(rowGroups);
        if (type instanceof TimestampType) return timestamp(rowGroups, Literal::ofTimestamp);
        if (type instanceof TimestampNTZType) return timestamp(rowGroups, Literal::ofTimestampNtz);
        if (type instanceof FloatType) return floating(rowGroups, v -> Literal.ofFloat((float) (double) v));
        if (type instanceof DoubleType) return floating(rowGroups, Literal::ofDouble);
        if (type instanceof DecimalType decimal) return decimal(rowGroups, decimal);
        if (type instanceof StringType) return StringBounds.of(rowGroups);
        return NONE;
    }

    private static Bounds of(Literal minimum, Literal maximum) {
        return new Bounds(Optional.of(minimum), Optional.of(maximum));
    }

    private static long min(List<Statistics<?>> rowGroups) {
        return rowGroups.stream()
                .mapToLong(s -> ((Number) s.genericGetMin()).longValue())
                .min()
                .orElseThrow();
    }

    private static long max(List<Statistics<?>> rowGroups) {
        return rowGroups.stream()
                .mapToLong(s -> ((Number) s.genericGetMax()).longValue())
                .max()
                .orElseThrow();
    }

    private static Bounds whole(List<Statistics<?>> rowGroups, Function<Long, Literal> literal) {
        return of(literal.apply(min(rowGroups)), literal.apply(max(rowGroups)));
    }

    private static Bounds date(List<Statistics<?>> rowGroups) {
        long minimum = min(rowGroups);
        long maximum = max(rowGroups);
        return minimum < FIRST_DAY || maximum > LAST_DAY
                ? NONE
                : of(Literal.ofDate((int) minimum), Literal.ofDate((int) maximum));
    }

    private static Bounds timestamp(List<Statistics<?>> rowGroups, Function<Long, Literal> literal) {
        long minimum = min(rowGroups);
        long maximum = max(rowGroups);
        if (minimum < FIRST_DAY * MICROS_PER_DAY || maximum >= LAST_DAY * MICROS_PER_DAY) {
            return NONE;
        }
        return of(
                literal.apply(Math.floorDiv(minimum, 1000) * 1000),
                literal.apply(-Math.floorDiv(-maximum, 1000) * 1000));
    }

    private static Bounds floating(List<Statistics<?>> rowGroups, Function<Double, Literal> literal) {
        double minimum = Double.POSITIVE_INFINITY;
        double maximum = Double.NEGATIVE_INFINITY;
        for (Statistics<?> rowGroup : rowGroups) {
            // Math.min and max return NaN as soon as one of the two is: a NaN survives to the check below.
            minimum = Math.min(minimum, ((Number) rowGroup.genericGetMin()).doubleValue());
            maximum = Math.max(maximum, ((Number) rowGroup.genericGetMax()).doubleValue());
        }
        if (!Double.isFinite(minimum) || !Double.isFinite(maximum)) {
            return NONE;
        }
        return of(literal.apply(minimum == 0 ? -0.0 : minimum), literal.apply(maximum == 0 ? 0.0 : maximum));
    }

    private static Bounds decimal(List<Statistics<?>> rowGroups, DecimalType type) {
        BigDecimal minimum = null;
        BigDecimal maximum = null;
        for (Statistics<?> rowGroup : rowGroups) {
            BigDecimal low = unscaled(rowGroup.genericGetMin(), rowGroup.getMinBytes(), type);
            BigDecimal high = unscaled(rowGroup.genericGetMax(), rowGroup.getMaxBytes(), type);
            minimum = minimum == null ? low : minimum.min(low);
            maximum = maximum == null ? high : maximum.max(high);
        }
        return of(
                Literal.ofDecimal(minimum, type.getPrecision(), type.getScale()),
                Literal.ofDecimal(maximum, type.getPrecision(), type.getScale()));
    }

    private static BigDecimal unscaled(Object value, byte[] bytes, DecimalType type) {
        return value instanceof Number number
                ? BigDecimal.valueOf(number.longValue(), type.getScale())
                : new BigDecimal(new BigInteger(bytes), type.getScale());
    }
}
