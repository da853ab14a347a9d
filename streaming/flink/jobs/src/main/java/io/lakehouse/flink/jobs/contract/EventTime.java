package io.lakehouse.flink.jobs.contract;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.Serializable;
import java.time.Duration;
import org.apache.flink.util.TimeUtils;

/**
 * When events happened, and how long to wait for those that come late.
 *
 * @param column the column that says when
 * @param watermark how far events may be out of order
 * @param allowedLateness how long behind the watermark an event still corrects its window
 * @param idleness after how long without events a partition is no longer waited for
 */
public record EventTime(String column, Duration watermark, Duration allowedLateness, Duration idleness)
        implements Serializable {

    static EventTime of(JsonNode eventTime) {
        return new EventTime(
                eventTime.required("column").textValue(),
                duration(eventTime, "watermark", "30 seconds"),
                duration(eventTime, "allowed_lateness", "1 minute"),
                duration(eventTime, "idleness", "1 minute"));
    }

    private static Duration duration(JsonNode eventTime, String field, String otherwise) {
        return TimeUtils.parseDuration(eventTime.path(field).asText(otherwise));
    }
}
