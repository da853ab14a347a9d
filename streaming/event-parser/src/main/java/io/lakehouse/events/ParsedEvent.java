package io.lakehouse.events;

/**
 * The values of one event, or the reason why it is none. Reused from one message to the next by its {@link
 * EventParser}; a string is a range of bytes, mostly of the message itself.
 */
public final class ParsedEvent {
    final boolean[] absent;
    final long[] longs;
    final byte[][] bytes;
    final int[] starts;
    final int[] lengths;
    String reason;

    ParsedEvent(int columns) {
        absent = new boolean[columns];
        longs = new long[columns];
        bytes = new byte[columns][];
        starts = new int[columns];
        lengths = new int[columns];
    }

    /** Why the message is rejected, as `code: detail`; null for a good one. The values count only then. */
    public String reason() {
        return reason;
    }

    /** Whether the column has no value. */
    public boolean isNull(int column) {
        return absent[column];
    }

    /** The value of a BOOLEAN (0 or 1), INT, BIGINT, DATE or TIMESTAMP column; see {@link EventType}. */
    public long longValue(int column) {
        return longs[column];
    }

    /** The value of a DOUBLE column. */
    public double doubleValue(int column) {
        return Double.longBitsToDouble(longs[column]);
    }

    /** The bytes that hold the value of a STRING column, valid UTF-8 from {@link #start} on. */
    public byte[] bytes(int column) {
        return bytes[column];
    }

    /** Where in {@link #bytes} the value begins. */
    public int start(int column) {
        return starts[column];
    }

    /** How many bytes the value has. */
    public int length(int column) {
        return lengths[column];
    }

    void setBytes(int column, byte[] source, int start, int length) {
        bytes[column] = source;
        starts[column] = start;
        lengths[column] = length;
    }

    void copy(int from, int to) {
        absent[to] = absent[from];
        longs[to] = longs[from];
        setBytes(to, bytes[from], starts[from], lengths[from]);
    }
}
