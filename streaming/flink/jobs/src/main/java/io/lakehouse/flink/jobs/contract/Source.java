package io.lakehouse.flink.jobs.contract;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * The topic of a contract and the events in it.
 *
 * @param columns the columns of an event as JSON; a table without a transform has the same
 * @param eventTime the column of an event that says when it happened
 * @param fromLatest whether a job without state begins at the topic's end, not at its beginning
 * @param failOnDataLoss whether to stop when events are gone before they were read
 */
public record Source(String topic, String columns, String eventTime, boolean fromLatest, boolean failOnDataLoss) {

    static Source of(JsonNode contract) {
        JsonNode source = contract.required("source");
        JsonNode columns = source.path("columns").isEmpty() ? contract.required("columns") : source.get("columns");
        JsonNode eventTime = source.hasNonNull("event_time")
                ? source.get("event_time")
                : contract.required("event_time").required("column");
        return new Source(
                source.required("topic").textValue(),
                columns.toString(),
                eventTime.textValue(),
                source.path("starting_offsets").asText("earliest").equals("latest"),
                source.path("fail_on_data_loss").asBoolean(true));
    }
}
