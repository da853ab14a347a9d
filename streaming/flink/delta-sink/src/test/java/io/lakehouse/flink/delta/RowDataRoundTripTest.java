package io.lakehouse.flink.delta;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.delta.kernel.data.ArrayValue;
import io.delta.kernel.data.MapValue;
import io.delta.kernel.data.Row;
import io.delta.kernel.types.DataType;
import io.delta.kernel.types.StructField;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.ValidationException;
import org.apache.flink.table.data.DecimalData;
import org.apache.flink.table.data.GenericArrayData;
import org.apache.flink.table.data.GenericMapData;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;
import org.apache.flink.table.types.logical.RowType;
import org.apache.flink.types.RowKind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every type, written by the sink and read back by Delta Kernel. */
class RowDataRoundTripTest {

    @TempDir
    Path table;

    private static RowType rowType(DataTypes.Field... fields) {
        return (RowType) DataTypes.ROW(fields).getLogicalType();
    }

    @Test
    void scalarTypesKeepTheirValues() throws Exception {
        RowType type = rowType(
                DataTypes.FIELD("bool", DataTypes.BOOLEAN()),
                DataTypes.FIELD("tiny", DataTypes.TINYINT()),
                DataTypes.FIELD("small", DataTypes.SMALLINT()),
                DataTypes.FIELD("int", DataTypes.INT()),
                DataTypes.FIELD("big", DataTypes.BIGINT()),
                DataTypes.FIELD("float", DataTypes.FLOAT()),
                DataTypes.FIELD("double", DataTypes.DOUBLE()),
                DataTypes.FIELD("char", DataTypes.CHAR(3)),
                DataTypes.FIELD("string", DataTypes.STRING()),
                DataTypes.FIELD("bytes", DataTypes.BYTES()),
                DataTypes.FIELD("date", DataTypes.DATE()),
                DataTypes.FIELD("ts", DataTypes.TIMESTAMP(6)),
                DataTypes.FIELD("ts9", DataTypes.TIMESTAMP(9)),
                DataTypes.FIELD("ltz", DataTypes.TIMESTAMP_LTZ(3)),
                DataTypes.FIELD("dec9", DataTypes.DECIMAL(9, 2)),
                DataTypes.FIELD("dec18", DataTypes.DECIMAL(18, 6)),
                DataTypes.FIELD("dec38", DataTypes.DECIMAL(38, 10)));
        LocalDateTime beforeEpoch = LocalDateTime.parse("1969-12-31T23:59:59.123456");
        LocalDateTime nanos = LocalDateTime.parse("2026-11-22T10:00:00.123456789");
        Instant instant = Instant.parse("2026-11-22T10:00:00.123Z");
        GenericRowData values = GenericRowData.of(
                true,
                (byte) -128,
                (short) -32768,
                Integer.MIN_VALUE,
                Long.MAX_VALUE,
                Float.MIN_VALUE,
                -Double.MAX_VALUE,
                StringData.fromString("abc"),
                StringData.fromString("日本 \uD83D\uDE00 'quoted'"),
                "raw\u0000bytes".getBytes(StandardCharsets.UTF_8),
                -1,
                TimestampData.fromLocalDateTime(beforeEpoch),
                TimestampData.fromLocalDateTime(nanos),
                TimestampData.fromInstant(instant),
                decimal("-9999999.99", 9, 2),
                decimal("123456789012.345678", 18, 6),
                decimal("-1234567890123456789012345678.0123456789", 38, 10));

        new WriteFixture(table, type).append(List.of(values, new GenericRowData(type.getFieldCount())));

        List<Map<String, Object>> rows = TestTables.rows(table, RowDataRoundTripTest::values);
        assertThat(rows.get(0))
                .containsEntry("bool", true)
                .containsEntry("tiny", (byte) -128)
                .containsEntry("small", (short) -32768)
                .containsEntry("int", Integer.MIN_VALUE)
                .containsEntry("big", Long.MAX_VALUE)
                .containsEntry("float", Float.MIN_VALUE)
                .containsEntry("double", -Double.MAX_VALUE)
                .containsEntry("char", "abc")
                .containsEntry("string", "日本 \uD83D\uDE00 'quoted'")
                .containsEntry("bytes", "raw\u0000bytes")
                .containsEntry("date", -1)
                .containsEntry("ts", micros(beforeEpoch))
                .containsEntry("ts9", micros(nanos.truncatedTo(ChronoUnit.MICROS)))
                .containsEntry("ltz", instant.toEpochMilli() * 1000)
                .containsEntry("dec9", new BigDecimal("-9999999.99"))
                .containsEntry("dec18", new BigDecimal("123456789012.345678"))
                .containsEntry("dec38", new BigDecimal("-1234567890123456789012345678.0123456789"));
        assertThat(rows.get(1).values()).containsOnlyNulls().hasSize(type.getFieldCount());
    }

    @Test
    void nestedTypesKeepTheirValues() throws Exception {
        RowType type = rowType(
                DataTypes.FIELD("list", DataTypes.ARRAY(DataTypes.BIGINT())),
                DataTypes.FIELD("map", DataTypes.MAP(DataTypes.STRING(), DataTypes.DECIMAL(20, 1))),
                DataTypes.FIELD(
                        "row",
                        DataTypes.ROW(
                                DataTypes.FIELD("a", DataTypes.STRING()),
                                DataTypes.FIELD(
                                        "b",
                                        DataTypes.ARRAY(DataTypes.ROW(DataTypes.FIELD("c", DataTypes.TIMESTAMP(3))))))),
                DataTypes.FIELD("set", DataTypes.MULTISET(DataTypes.STRING())));
        LocalDateTime time = LocalDateTime.parse("2026-01-01T00:00:00.001");
        GenericRowData full = GenericRowData.of(
                new GenericArrayData(new Object[] {1L, null, 3L}),
                new GenericMapData(Map.of(StringData.fromString("k"), decimal("-1.5", 20, 1))),
                GenericRowData.of(StringData.fromString("x"), new GenericArrayData(new Object[] {
                    GenericRowData.of(TimestampData.fromLocalDateTime(time)), null, GenericRowData.of((Object) null)
                })),
                new GenericMapData(Map.of(StringData.fromString("e"), 2)));
        GenericRowData empty = GenericRowData.of(
                new GenericArrayData(new Object[0]),
                new GenericMapData(Map.of()),
                GenericRowData.of(null, new GenericArrayData(new Object[0])),
                new GenericMapData(Map.of()));

        new WriteFixture(table, type).append(List.of(full, empty, new GenericRowData(4)));

        assertThat(TestTables.rows(table, row -> values(row).toString()))
                .containsExactly(
                        "{list=[1, null, 3], map={k=-1.5}, row={a=x, b=[{c=%d}, null, {c=null}]}, set={e=2}}"
                                .formatted(micros(time)),
                        "{list=[], map={}, row={a=null, b=[]}, set={}}",
                        "{list=null, map=null, row=null, set=null}");
    }

    @Test
    void typesThatDeltaLacksAreRefusedByName() {
        RowType type = rowType(DataTypes.FIELD("outer", DataTypes.ROW(DataTypes.FIELD("t", DataTypes.TIME()))));

        assertThatThrownBy(() -> new WriteFixture(table, type).table())
                .isInstanceOf(ValidationException.class)
                .hasMessageContaining("'outer.t' is TIME(0)")
                .hasMessageContaining("Cast it");
    }

    @Test
    void aMissingValueOfARequiredColumnIsRefusedByName() {
        RowType type = rowType(DataTypes.FIELD("id", DataTypes.BIGINT().notNull()));

        assertThatThrownBy(() -> new WriteFixture(table, type).append(List.of(new GenericRowData(1))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("'id' is NOT NULL");
    }

    @Test
    void aRowThatIsNoInsertIsRefused() {
        RowType type = rowType(DataTypes.FIELD("id", DataTypes.BIGINT()));
        GenericRowData delete = GenericRowData.ofKind(RowKind.DELETE, 1L);

        assertThatThrownBy(() -> new WriteFixture(table, type).append(List.of(delete)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("only appends, but got a row of kind DELETE");
    }

    private static DecimalData decimal(String value, int precision, int scale) {
        return DecimalData.fromBigDecimal(new BigDecimal(value), precision, scale);
    }

    private static long micros(LocalDateTime time) {
        return ChronoUnit.MICROS.between(LocalDateTime.of(1970, 1, 1, 0, 0), time);
    }

    private static Map<String, Object> values(Row row) {
        Map<String, Object> values = new java.util.LinkedHashMap<>();
        int i = 0;
        for (StructField field : row.getSchema().fields()) {
            values.put(field.getName(), value(row, i++, field.getDataType()));
        }
        return values;
    }

    private static Object value(Row row, int i, DataType type) {
        if (row.isNullAt(i)) return null;
        return switch (type.toString()) {
            case "boolean" -> row.getBoolean(i);
            case "byte" -> row.getByte(i);
            case "short" -> row.getShort(i);
            case "integer", "date" -> row.getInt(i);
            case "long", "timestamp", "timestamp_ntz" -> row.getLong(i);
            case "float" -> row.getFloat(i);
            case "double" -> row.getDouble(i);
            case "string" -> row.getString(i);
            case "binary" -> new String(row.getBinary(i), StandardCharsets.UTF_8);
            default -> {
                if (type instanceof io.delta.kernel.types.DecimalType) yield row.getDecimal(i);
                if (type instanceof io.delta.kernel.types.StructType) yield values(row.getStruct(i));
                if (type instanceof io.delta.kernel.types.ArrayType) yield elements(row.getArray(i));
                yield entries(row.getMap(i));
            }
        };
    }

    private static List<Object> elements(ArrayValue array) {
        return io.delta.kernel.internal.util.VectorUtils.<Object>toJavaList(array).stream()
                .map(RowDataRoundTripTest::plain)
                .collect(Collectors.toList());
    }

    private static Map<Object, Object> entries(MapValue map) {
        return io.delta.kernel.internal.util.VectorUtils.<Object, Object>toJavaMap(map);
    }

    private static Object plain(Object value) {
        return value instanceof Row row ? values(row) : value;
    }
}
