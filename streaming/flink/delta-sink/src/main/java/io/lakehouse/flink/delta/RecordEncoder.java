package io.lakehouse.flink.delta;

import java.io.Serializable;
import org.apache.flink.annotation.PublicEvolving;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.MessageType;

/**
 * Writes records of type {@code T} straight into Parquet columns, with no row object in between.
 *
 * <p>One instance serves one writer subtask and is called by its thread only, so it may keep buffers. The writer keeps
 * no reference to a record after {@link #encode} returns: records may be reused objects.
 *
 * @param <T> the record
 */
@PublicEvolving
public interface RecordEncoder<T> extends Serializable {

    /**
     * Called once, before the first record.
     *
     * @param columns the columns of the data files in the order of their indexes in {@link RecordConsumer#startField}:
     *     those of the sink's row type without the partition columns
     */
    default void open(MessageType columns) {}

    /**
     * Stores the record's partition values into {@code values}, in the order of the partition columns. Not called for a
     * table without partition columns.
     *
     * <p>Values are Java objects by column type: {@code Boolean}, {@code Byte}, {@code Short}, {@code Integer} (also
     * {@code DATE}, as days since the epoch), {@code Long} (also timestamps, as microseconds since the epoch),
     * {@code Float}, {@code Double}, {@code BigDecimal}, {@code String}, or null.
     */
    void partition(T record, Object[] values);

    /**
     * Writes the record's columns, each as {@code startField}, value, {@code endField}; a column that is null is left
     * out. {@code startMessage} and {@code endMessage} are the caller's.
     *
     * <p>A column that is {@code NOT NULL} must be written, and an exception after the first column leaves a file that
     * cannot be used: it fails the task. So validate a record, and divert what is invalid, before the sink.
     */
    void encode(T record, RecordConsumer columns);
}
