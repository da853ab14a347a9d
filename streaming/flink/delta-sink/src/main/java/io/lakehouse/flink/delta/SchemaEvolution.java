package io.lakehouse.flink.delta;

import org.apache.flink.annotation.PublicEvolving;

/** What the sink does at start when it has columns that the existing table lacks. */
@PublicEvolving
public enum SchemaEvolution {
    /** Fail, naming each difference. */
    NO,
    /** Add the missing columns, which have to be nullable, to the table. Everything else still fails. */
    NEWCOLUMN
}
