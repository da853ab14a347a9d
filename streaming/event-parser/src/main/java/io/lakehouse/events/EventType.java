package io.lakehouse.events;

import java.util.Locale;

/** Types of a contract's columns, by their names there; what a {@link ParsedEvent} holds for each. */
public enum EventType {
    /** UTF-8 bytes. */
    STRING,
    /** 0 or 1 as a long. */
    BOOLEAN,
    /** 32 bits, as a long. */
    INT,
    /** 64 bits, as a long. */
    BIGINT,
    /** A finite double. */
    DOUBLE,
    /** Days since 1970-01-01, as a long. */
    DATE,
    /** Microseconds since 1970-01-01T00:00:00Z, as a long. */
    TIMESTAMP;

    /** The name that contracts, Spark and reasons of rejection use. */
    public String contractName() {
        return name().toLowerCase(Locale.ROOT);
    }

    static EventType of(String contractName) {
        return valueOf(contractName.toUpperCase(Locale.ROOT));
    }
}
