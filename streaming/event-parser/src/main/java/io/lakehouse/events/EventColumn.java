package io.lakehouse.events;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;

/**
 * One column of a contract.
 *
 * @param minimum smallest valid value, null where there is none; so {@code maximum}
 * @param defaultValue text, number or boolean in the place of an absent or null field; null where there is none
 * @param defaultFrom name of the column that such a field is copied from; null where there is none
 */
record EventColumn(
        String name,
        EventType type,
        boolean required,
        BigDecimal minimum,
        BigDecimal maximum,
        JsonNode defaultValue,
        String defaultFrom) {

    static EventColumn of(JsonNode column) {
        return new EventColumn(
                column.required("name").textValue(),
                EventType.of(column.required("type").textValue()),
                column.path("required").booleanValue(),
                number(column.path("minimum")),
                number(column.path("maximum")),
                column.hasNonNull("default") ? column.get("default") : null,
                column.path("default_from").textValue());
    }

    private static BigDecimal number(JsonNode bound) {
        return bound.isNumber() ? bound.decimalValue() : null;
    }
}
