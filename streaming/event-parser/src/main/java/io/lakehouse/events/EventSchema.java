package io.lakehouse.events;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.List;

/** The columns of a contract, in its order. */
public final class EventSchema {
    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);

    private final List<EventColumn> columns;

    private EventSchema(List<EventColumn> columns) {
        this.columns = List.copyOf(columns);
    }

    /**
     * Reads the `columns` of a contract as JSON: an array of objects with the keys that the contract has in YAML.
     *
     * @throws IllegalArgumentException when the text is not that; contracts were checked before
     */
    public static EventSchema fromJson(String json) {
        try {
            List<EventColumn> columns = new ArrayList<>();
            for (JsonNode column : MAPPER.readTree(json)) {
                columns.add(EventColumn.of(column));
            }
            return new EventSchema(columns);
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("no columns of a contract: " + json, error);
        }
    }

    /** How many columns there are. */
    public int size() {
        return columns.size();
    }

    /** Name of the column at {@code index}. */
    public String name(int index) {
        return columns.get(index).name();
    }

    /** Type of the column at {@code index}. */
    public EventType type(int index) {
        return columns.get(index).type();
    }

    /** Whether every good event has a value for the column at {@code index}. */
    public boolean required(int index) {
        return columns.get(index).required();
    }

    List<EventColumn> columns() {
        return columns;
    }

    int indexOf(String name) {
        for (int index = 0; index < columns.size(); index++) {
            if (columns.get(index).name().equals(name)) {
                return index;
            }
        }
        throw new IllegalArgumentException("no column " + name);
    }
}
