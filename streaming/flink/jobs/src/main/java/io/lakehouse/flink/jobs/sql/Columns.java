package io.lakehouse.flink.jobs.sql;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.jobs.events.TableColumns;
import java.util.List;
import java.util.stream.Collectors;

/** Columns of a contract in a script. */
final class Columns {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    /** What the catalogue shows of a column, and the parser of events has no use for. */
    private static final List<String> FOR_READERS = List.of("description", "pii");

    private Columns() {}

    /** As they stand in CREATE TABLE, with commas between them, all in one line. */
    static String ddl(String columns) {
        return TableColumns.declared(EventSchema.fromJson(columns)).getFields().stream()
                .map(field ->
                        "`%s` %s".formatted(field.getName(), field.getType().asSerializableString()))
                .collect(Collectors.joining(", "));
    }

    /** The option {@code contract-json.columns}. */
    static String schema(String columns) {
        try {
            ArrayNode schema = (ArrayNode) MAPPER.readTree(columns);
            for (JsonNode column : schema) {
                ((ObjectNode) column).remove(FOR_READERS);
            }
            return schema.toString();
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException("no columns of a contract: " + columns, error);
        }
    }
}
