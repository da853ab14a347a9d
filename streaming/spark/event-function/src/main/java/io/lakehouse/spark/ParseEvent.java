package io.lakehouse.spark;

import io.lakehouse.events.EventParser;
import io.lakehouse.events.EventSchema;
import io.lakehouse.events.EventType;
import io.lakehouse.events.ParsedEvent;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.connector.catalog.functions.ScalarFunction;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;

/** A message's value → struct of {@code reason} (NULL for a good event) and the contract's columns. */
public final class ParseEvent implements ScalarFunction<InternalRow> {
    private final String columns;
    private final StructType resultType;
    private final EventType[] types;
    /** Tasks that share this object run in threads of their own. */
    private transient ThreadLocal<EventParser> parser;

    /** Parses events with the given columns of a contract, see {@link EventSchema#fromJson}. */
    ParseEvent(String columns) {
        this.columns = columns;
        EventSchema schema = EventSchema.fromJson(columns);
        types = new EventType[schema.size()];
        StructType result = new StructType().add("reason", DataTypes.StringType);
        for (int index = 0; index < types.length; index++) {
            types[index] = schema.type(index);
            result = result.add(schema.name(index), sparkType(types[index]));
        }
        resultType = result;
    }

    @Override
    public DataType[] inputTypes() {
        return new DataType[] {DataTypes.BinaryType};
    }

    @Override
    public DataType resultType() {
        return resultType;
    }

    @Override
    public boolean isResultNullable() {
        return false;
    }

    @Override
    public String name() {
        return "parse_event";
    }

    @Override
    public String canonicalName() {
        return "lakehouse.parse_event." + columns;
    }

    /** Spark finds this method by its name, and calls it without an array of arguments between. */
    public InternalRow invoke(byte[] value) {
        ParsedEvent event = parser().parse(value);
        Object[] row = new Object[types.length + 1];
        if (event.reason() != null) {
            row[0] = UTF8String.fromString(event.reason());
            return new GenericInternalRow(row);
        }
        for (int index = 0; index < types.length; index++) {
            row[index + 1] = event.isNull(index) ? null : sparkValue(event, index);
        }
        return new GenericInternalRow(row);
    }

    private Object sparkValue(ParsedEvent event, int index) {
        return switch (types[index]) {
            case STRING -> UTF8String.fromBytes(event.bytes(index), event.start(index), event.length(index));
            case BOOLEAN -> event.longValue(index) == 1;
            case INT, DATE -> (int) event.longValue(index);
            case BIGINT, TIMESTAMP -> event.longValue(index);
            case DOUBLE -> event.doubleValue(index);
        };
    }

    private EventParser parser() {
        if (parser == null) {
            parser = ThreadLocal.withInitial(() -> new EventParser(EventSchema.fromJson(columns)));
        }
        return parser.get();
    }

    private static DataType sparkType(EventType type) {
        return switch (type) {
            case STRING -> DataTypes.StringType;
            case BOOLEAN -> DataTypes.BooleanType;
            case INT -> DataTypes.IntegerType;
            case BIGINT -> DataTypes.LongType;
            case DOUBLE -> DataTypes.DoubleType;
            case DATE -> DataTypes.DateType;
            case TIMESTAMP -> DataTypes.TimestampType;
        };
    }
}
