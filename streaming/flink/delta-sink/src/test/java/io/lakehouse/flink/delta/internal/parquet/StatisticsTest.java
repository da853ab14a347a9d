package io.lakehouse.flink.delta.internal.parquet;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lakehouse.flink.delta.SchemaEvolution;
import io.lakehouse.flink.delta.WriteFixture;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.DataType;
import org.apache.flink.table.types.logical.RowType;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.io.LocalInputFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Readers skip files by statistics: a bound that is too tight loses rows without a word. */
class StatisticsTest {

    private static final String LARGEST = new String(Character.toChars(Character.MAX_CODE_POINT));

    @TempDir
    Path table;

    @Test
    void countsRowsAndNulls() throws Exception {
        JsonNode statistics = statistics(DataTypes.INT(), 3, null, -7, null);

        assertThat(statistics.get("numRecords").asLong()).isEqualTo(4);
        assertThat(statistics.at("/nullCount/c").asLong()).isEqualTo(2);
        assertThat(bounds(statistics)).isEqualTo("-7..3");
    }

    @Test
    void aColumnOfNullsHasNoBounds() throws Exception {
        JsonNode statistics = statistics(DataTypes.STRING(), (Object) null, null);

        assertThat(statistics.at("/nullCount/c").asLong()).isEqualTo(2);
        assertThat(bounds(statistics)).isEqualTo("..");
    }

    @Test
    void longStringsAreCutBelowAndRaisedAbove() throws Exception {
        String low = "a".repeat(40);
        String high = "z".repeat(31) + "\uD83D\uDE00" + "tail";

        JsonNode statistics = statistics(DataTypes.STRING(), string(low), string(high));

        assertThat(bounds(statistics)).isEqualTo("a".repeat(32) + ".." + "z".repeat(31) + "\uD83D\uDE00" + LARGEST);
    }

    @Test
    void aStringOfThirtyTwoCharactersIsItsOwnBound() throws Exception {
        assertThat(bounds(statistics(DataTypes.STRING(), string("ü".repeat(32)))))
                .isEqualTo("ü".repeat(32) + ".." + "ü".repeat(32));
    }

    @Test
    void aMaximumThatCannotBeRaisedIsLeftOut() throws Exception {
        assertThat(bounds(statistics(DataTypes.STRING(), string("y".repeat(32) + LARGEST + "more"))))
                .isEqualTo("y".repeat(32) + "..");
    }

    @Test
    void bytesThatAreNotUtf8HaveNoBounds() throws Exception {
        assertThat(bounds(statistics(DataTypes.STRING(), StringData.fromBytes(new byte[] {(byte) 0xC3, 0x28}))))
                .isEqualTo("..");
    }

    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void aValueThatJsonCannotHoldLeavesNoBounds(double special) throws Exception {
        assertThat(bounds(statistics(DataTypes.DOUBLE(), 1.0, special, 2.0))).isEqualTo("..");
        assertThat(bounds(statistics(DataTypes.DOUBLE(), special, 1.0))).isEqualTo("..");
        assertThat(bounds(statistics(DataTypes.FLOAT(), 1.0f, (float) special))).isEqualTo("..");
    }

    @Test
    void zeroBoundsHoldBothZeros() throws Exception {
        assertThat(bounds(statistics(DataTypes.DOUBLE(), 0.0))).isEqualTo("-0.0..0.0");
        assertThat(bounds(statistics(DataTypes.DOUBLE(), -0.0))).isEqualTo("-0.0..0.0");
    }

    @Test
    void timestampsAreRoundedOutwardsToMilliseconds() throws Exception {
        TimestampData low = TimestampData.fromLocalDateTime(LocalDateTime.parse("1960-01-01T00:00:00.000999"));
        TimestampData high = TimestampData.fromLocalDateTime(LocalDateTime.parse("2026-11-22T23:59:59.999001"));

        assertThat(bounds(statistics(DataTypes.TIMESTAMP(6), low, high)))
                .isEqualTo("1960-01-01T00:00:00..2026-11-23T00:00:00");
        assertThat(bounds(statistics(DataTypes.TIMESTAMP_LTZ(6), low, high)))
                .isEqualTo("1960-01-01T00:00:00.000Z..2026-11-23T00:00:00.000Z");
    }

    @Test
    void timesOutsideOfTheCommonCalendarHaveNoBounds() throws Exception {
        TimestampData far = TimestampData.fromLocalDateTime(LocalDateTime.of(10_000, 1, 1, 0, 0));

        assertThat(bounds(statistics(DataTypes.TIMESTAMP_LTZ(6), far))).isEqualTo("..");
        assertThat(bounds(statistics(DataTypes.DATE(), -800_000, 0))).isEqualTo("..");
    }

    @Test
    void decimalsKeepAllDigits() throws Exception {
        BigDecimal low = new BigDecimal("-99999999999999999999999999999.123456789");
        BigDecimal high = new BigDecimal("12345678901234567890.000000001");
        RowType type = (RowType)
                DataTypes.ROW(DataTypes.FIELD("c", DataTypes.DECIMAL(38, 9))).getLogicalType();

        String statistics = new WriteFixture(table, type)
                .write(List.of(GenericRowData.of(decimal(high, 38, 9)), GenericRowData.of(decimal(low, 38, 9))))
                .get(0)
                .statistics();

        assertThat(statistics).contains("\"minValues\":{\"c\":" + low + "}", "\"maxValues\":{\"c\":" + high + "}");
    }

    @Test
    void boundsCoverAllRowGroups() throws Exception {
        // Row groups of the smallest size, 1 MB, with the extremes in the first and the last.
        WriterSettings settings = new WriterSettings(-1, -1, 1, 1, "uncompressed", java.util.Set.of("c"));
        RowType type = (RowType)
                DataTypes.ROW(DataTypes.FIELD("c", DataTypes.BIGINT())).getLogicalType();
        List<GenericRowData> rows = java.util.stream.LongStream.range(0, 400_000)
                .mapToObj(i -> GenericRowData.of(i))
                .toList();

        List<DataFile> files = new WriteFixture(table, type).write(settings, rows);

        assertThat(files.get(0).size()).isGreaterThan(2L << 20);
        assertThat(bounds(json(files.get(0).statistics()))).isEqualTo("0..399999");
    }

    @Test
    void onlyTheConfiguredNumberOfColumnsIsIndexed() throws Exception {
        RowType type = (RowType) DataTypes.ROW(
                        DataTypes.FIELD("s", DataTypes.ROW(DataTypes.FIELD("a", DataTypes.INT()))),
                        DataTypes.FIELD("b", DataTypes.INT()),
                        DataTypes.FIELD("c", DataTypes.INT()))
                .getLogicalType();
        TableSettings settings = new TableSettings(
                table.toString(),
                type,
                List.of(),
                Map.of(StatisticsColumns.PROPERTY, "2"),
                Map.of(),
                SchemaEvolution.NO,
                0);

        JsonNode statistics = json(new WriteFixture(settings)
                .write(List.of(GenericRowData.of(GenericRowData.of(1), 2, 3)))
                .get(0)
                .statistics());

        assertThat(statistics.get("maxValues").toString()).isEqualTo("{\"s\":{\"a\":1},\"b\":2}");
    }

    @Test
    void onlyTheListedColumnsHaveBoundsInTheLogAndInTheFile() throws Exception {
        RowType type = (RowType) DataTypes.ROW(
                        DataTypes.FIELD("s", DataTypes.ROW(DataTypes.FIELD("a", DataTypes.INT()))),
                        DataTypes.FIELD("b", DataTypes.INT()),
                        DataTypes.FIELD("c", DataTypes.INT()),
                        DataTypes.FIELD("d", DataTypes.ARRAY(DataTypes.INT())))
                .getLogicalType();
        TableSettings settings = new TableSettings(
                table.toString(),
                type,
                List.of(),
                Map.of(StatisticsColumns.LIST, "s, `c`, gone"),
                Map.of(),
                SchemaEvolution.NO,
                0);

        DataFile file = new WriteFixture(settings)
                .write(List.of(GenericRowData.of(GenericRowData.of(1), 2, 3, new GenericArrayData(new int[] {4}))))
                .get(0);

        assertThat(json(file.statistics()).get("maxValues").toString()).isEqualTo("{\"s\":{\"a\":1},\"c\":3}");
        try (ParquetFileReader reader =
                ParquetFileReader.open(new LocalInputFile(Path.of(java.net.URI.create(file.path()))))) {
            assertThat(reader.getFooter().getBlocks().get(0).getColumns().stream()
                            .filter(column -> column.getStatistics().hasNonNullValue())
                            .map(column -> column.getPath().toDotString()))
                    .containsExactly("s.a", "c");
        }
    }

    private JsonNode statistics(DataType type, Object... values) throws Exception {
        RowType rowType = (RowType) DataTypes.ROW(DataTypes.FIELD("c", type)).getLogicalType();
        List<GenericRowData> rows =
                Arrays.stream(values).map(value -> GenericRowData.of(value)).toList();
        return json(new WriteFixture(table, rowType).write(rows).get(0).statistics());
    }

    private static JsonNode json(String statistics) throws Exception {
        return new ObjectMapper().readTree(statistics);
    }

    private static String bounds(JsonNode statistics) {
        return statistics.at("/minValues/c").asText() + ".."
                + statistics.at("/maxValues/c").asText();
    }

    private static StringData string(String value) {
        return StringData.fromString(value);
    }

    private static DecimalData decimal(BigDecimal value, int precision, int scale) {
        return DecimalData.fromBigDecimal(value, precision, scale);
    }
}
