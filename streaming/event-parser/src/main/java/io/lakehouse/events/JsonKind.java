package io.lakehouse.events;

/** What stands in a JSON field. */
enum JsonKind {
    /** No such field, or null. */
    NONE,
    STRING,
    /** A string with at least one escape in it. */
    ESCAPED,
    INTEGER,
    /** A number with a fraction or an exponent. */
    DECIMAL,
    TRUE,
    FALSE,
    /** An object or an array. */
    CONTAINER
}
