package io.lakehouse.spark;

import java.util.Arrays;
import org.apache.spark.sql.connector.catalog.FunctionCatalog;
import org.apache.spark.sql.connector.catalog.Identifier;
import org.apache.spark.sql.connector.catalog.functions.BoundFunction;
import org.apache.spark.sql.connector.catalog.functions.UnboundFunction;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;

/**
 * Offers Spark SQL what reading events needs: {@code events.`<columns>`(value)} parses a message's value into a struct of
 * {@code reason} and the contract's columns; {@code events.read_at()} is the present time.
 *
 * <p>The name of a parsing function is the contract's columns as JSON, so that a plan says all there is to know and no
 * session has to register anything. Set {@code spark.sql.catalog.events} to this class's name.
 */
public final class EventCatalog implements FunctionCatalog {
    private String name;

    @Override
    public void initialize(String catalogName, CaseInsensitiveStringMap options) {
        name = catalogName;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Identifier[] listFunctions(String[] namespace) {
        return new Identifier[0];
    }

    @Override
    public UnboundFunction loadFunction(Identifier identifier) {
        if (identifier.name().equals("read_at")) {
            return new Unbound("read_at()", new StructType(), new ReadAt());
        }
        StructType value = new StructType().add("value", DataTypes.BinaryType);
        return new Unbound("parse_event(value binary)", value, new ParseEvent(identifier.name()));
    }

    private record Unbound(String description, StructType expected, BoundFunction function) implements UnboundFunction {
        @Override
        public BoundFunction bind(StructType arguments) {
            DataType[] types = types(arguments);
            if (!Arrays.equals(types, types(expected))) {
                throw new UnsupportedOperationException(
                        description + " cannot take " + arguments.catalogString() + " as its arguments");
            }
            return function;
        }

        @Override
        public String name() {
            return function.name();
        }

        private static DataType[] types(StructType struct) {
            return Arrays.stream(struct.fields()).map(StructField::dataType).toArray(DataType[]::new);
        }
    }
}
