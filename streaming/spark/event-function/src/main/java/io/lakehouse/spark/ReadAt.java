package io.lakehouse.spark;

import org.apache.spark.sql.connector.catalog.functions.ScalarFunction;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;

/**
 * The present time, for each row anew.
 *
 * <p>Spark's own {@code current_timestamp()} is a constant of a batch, and constants are compiled into the code of its
 * plan: every micro-batch would be compiled anew, by Spark and then by the JVM.
 */
public final class ReadAt implements ScalarFunction<Long> {
    @Override
    public DataType[] inputTypes() {
        return new DataType[0];
    }

    @Override
    public DataType resultType() {
        return DataTypes.TimestampType;
    }

    @Override
    public boolean isResultNullable() {
        return false;
    }

    @Override
    public boolean isDeterministic() {
        return false;
    }

    @Override
    public String name() {
        return "read_at";
    }

    @Override
    public String canonicalName() {
        return "lakehouse.read_at";
    }

    /** Microseconds since 1970-01-01T00:00:00Z. Spark finds this method by its name. */
    public long invoke() {
        return System.currentTimeMillis() * 1000;
    }
}
