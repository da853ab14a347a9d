package io.lakehouse.flink.delta;

import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.RowType;

/**
 * Writes a table of awkward values, one commit a row so that each is in a file with statistics of its own, for other
 * engines to read: {@code tests/integration/flink/test_delta_sink.py}.
 */
public final class InteropTable {

    private static final RowType TYPE = (RowType) DataTypes.ROW(
                    DataTypes.FIELD("id", DataTypes.BIGINT().notNull()),
                    DataTypes.FIELD("text", DataTypes.STRING()),
                    DataTypes.FIELD("small_decimal", DataTypes.DECIMAL(9, 2)),
                    DataTypes.FIELD("big_decimal", DataTypes.DECIMAL(38, 10)),
                    DataTypes.FIELD("at_utc", DataTypes.TIMESTAMP_LTZ(6)),
                    DataTypes.FIELD("at_local", DataTypes.TIMESTAMP(6)),
                    DataTypes.FIELD("number", DataTypes.DOUBLE()),
                    DataTypes.FIELD("list", DataTypes.ARRAY(DataTypes.INT())),
                    DataTypes.FIELD("part", DataTypes.STRING()),
                    DataTypes.FIELD("part_at", DataTypes.TIMESTAMP_LTZ(6)),
                    DataTypes.FIELD("part_day", DataTypes.DATE()))
            .getLogicalType();

    private InteropTable() {}

    /** @param arguments directory of the table to create */
    public static void main(String[] arguments) throws Exception {
        List<GenericRowData> rows = new ArrayList<>();
        rows.add(row(1, "plain", "1.50", "0.0000000001", "2026-11-22T10:00:00.123456", 1.5, "a b"));
        rows.add(row(
                2,
                "z".repeat(40),
                "-9999999.99",
                "1234567890123456789012345678.0123456789",
                "1969-12-31T23:59:59.999999",
                Double.NaN,
                "x=1/y"));
        rows.add(row(
                3, "日本\uD83D\uDE00".repeat(12), "0.00", "-0.0000000001", "2026-11-22T23:59:59.999001", -0.0, "100%"));
        rows.add(row(
                4,
                "",
                "9999999.99",
                "9999999999999999999999999999.9999999999",
                "0001-01-01T00:00:00",
                Double.NEGATIVE_INFINITY,
                "ü日 #?&+:\\\"'"));
        rows.add(GenericRowData.of(5L, null, null, null, null, null, null, null, null, null, null));
        WriteFixture fixture = new WriteFixture(Path.of(arguments[0]), TYPE, "part", "part_at", "part_day");
        for (GenericRowData row : rows) {
            fixture.append(List.of(row));
        }
    }

    private static GenericRowData row(
            long id, String text, String small, String big, String time, double number, String partition) {
        TimestampData at = TimestampData.fromLocalDateTime(LocalDateTime.parse(time));
        return GenericRowData.of(
                id,
                StringData.fromString(text),
                DecimalData.fromBigDecimal(new BigDecimal(small), 9, 2),
                DecimalData.fromBigDecimal(new BigDecimal(big), 38, 10),
                at,
                at,
                number,
                new GenericArrayData(new Object[] {(int) id, null}),
                StringData.fromString(partition),
                at,
                (int) LocalDateTime.parse(time).toLocalDate().toEpochDay());
    }
}
