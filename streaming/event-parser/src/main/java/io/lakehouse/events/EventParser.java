package io.lakehouse.events;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Kafka message values to typed events, by the contract alone; what does not fit says why.
 *
 * <p>Spark and Flink both read with this class, so that a table has the same rows whichever of them writes it. The JSON
 * type of a field has to be its column's type: nothing is coerced. Of several faults a message is rejected for the first
 * of: the message as a whole, then the columns in the contract's order.
 *
 * <p>Not safe for use by several threads: each has its own.
 */
public final class EventParser {
    private final JsonScanner scanner;
    private final ColumnReader[] readers;
    private final int[] copiesLast;
    private final ParsedEvent event;

    /** A parser for events of the {@code schema}. */
    public EventParser(EventSchema schema) {
        List<EventColumn> columns = schema.columns();
        scanner = new JsonScanner(
                new FieldNames(columns.stream().map(EventColumn::name).toList()));
        readers = IntStream.range(0, columns.size())
                .mapToObj(index -> reader(schema, index))
                .toArray(ColumnReader[]::new);
        copiesLast = copiesLast(schema);
        event = new ParsedEvent(columns.size());
    }

    /**
     * The event of a message's value, null for a message without one.
     *
     * @return the same object each time, good until the next call; its strings are parts of {@code value}
     */
    public ParsedEvent parse(byte[] value) {
        event.reason = value == null ? Reasons.NO_VALUE : parse(value, 0, value.length);
        return event;
    }

    private String parse(byte[] json, int start, int length) {
        String fault = scanner.scan(json, start, length);
        if (fault != null) {
            return fault;
        }
        int firstFaulty = readers.length;
        for (int column : copiesLast) {
            String found = readers[column].read(scanner, json, event);
            if (found != null && column < firstFaulty) {
                fault = found;
                firstFaulty = column;
            }
        }
        return fault;
    }

    private static ColumnReader reader(EventSchema schema, int index) {
        EventColumn column = schema.columns().get(index);
        int copiedFrom = column.defaultFrom() == null ? -1 : schema.indexOf(column.defaultFrom());
        return new ColumnReader(column, index, copiedFrom);
    }

    /** The columns in such an order that each stands behind the one it may be copied from. Contracts have no circles. */
    private static int[] copiesLast(EventSchema schema) {
        boolean[] placed = new boolean[schema.size()];
        int[] order = new int[schema.size()];
        int count = 0;
        for (int column = 0; column < order.length; column++) {
            Deque<Integer> chain = new ArrayDeque<>();
            for (int next = column; next >= 0 && !placed[next]; next = copiedFrom(schema, next)) {
                chain.push(next);
                placed[next] = true;
            }
            while (!chain.isEmpty()) {
                order[count++] = chain.pop();
            }
        }
        return order;
    }

    private static int copiedFrom(EventSchema schema, int index) {
        String from = schema.columns().get(index).defaultFrom();
        return from == null ? -1 : schema.indexOf(from);
    }
}
