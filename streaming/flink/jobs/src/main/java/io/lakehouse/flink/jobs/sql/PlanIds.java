package io.lakehouse.flink.jobs.sql;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;

/**
 * Gives the nodes of a compiled plan the numbers 1, 2, … in the plan's own order.
 *
 * <p>Flink makes an operator's uid of its node's number, and numbers nodes by a counter of the whole process. The same
 * script would get other uids each time that a JobManager is given it, and would not find its state again.
 */
final class PlanIds {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private PlanIds() {}

    /** The {@code plan}, renumbered; the order of its nodes depends on the script alone. */
    static String renumber(String plan) {
        try {
            JsonNode graph = MAPPER.readTree(plan);
            Map<Integer, Integer> numbers = new HashMap<>();
            for (JsonNode node : graph.required("nodes")) {
                numbers.put(node.required("id").intValue(), numbers.size() + 1);
                replace(node, "id", numbers);
            }
            for (JsonNode edge : graph.required("edges")) {
                replace(edge, "source", numbers);
                replace(edge, "target", numbers);
            }
            return MAPPER.writeValueAsString(graph);
        } catch (JsonProcessingException error) {
            throw new IllegalStateException("a compiled plan is always JSON", error);
        }
    }

    private static void replace(JsonNode part, String field, Map<Integer, Integer> numbers) {
        ((ObjectNode) part).put(field, numbers.get(part.required(field).intValue()));
    }
}
