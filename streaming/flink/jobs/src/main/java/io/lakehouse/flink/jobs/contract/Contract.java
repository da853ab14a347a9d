package io.lakehouse.flink.jobs.contract;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import javax.annotation.Nullable;
import org.apache.flink.util.TimeUtils;

/**
 * What the jobs read of a contract, which was validated where its JSON was made: there is no second validation here.
 *
 * @param table schema.table
 * @param freshness how soon after an event was produced a reader must see it
 * @param source where the events come from
 * @param columns the columns of the table as JSON, for {@link io.lakehouse.events.EventSchema#fromJson}
 * @param eventTime the table's column of time, and how long a transform waits for late events
 * @param window how long the windows of a transform are
 * @param partitionBy the columns that the table is partitioned by
 * @param onInvalid what becomes of messages that are no events
 * @param late the table of events that come too late, null where the contract names none
 * @param alsoTo the topic that results go to as well, null where the contract names none
 */
public record Contract(
        String table,
        Duration freshness,
        Source source,
        String columns,
        EventTime eventTime,
        Duration window,
        List<String> partitionBy,
        OnInvalid onInvalid,
        @Nullable String late,
        @Nullable String alsoTo) {

    private static final ObjectMapper MAPPER = new ObjectMapper();

    /**
     * Reads a file with the JSON of a contract.
     *
     * @throws IllegalArgumentException naming the file, when it holds something else
     */
    public static Contract read(Path file) throws IOException {
        try {
            return parse(Files.readString(file));
        } catch (JsonProcessingException | IllegalArgumentException error) {
            throw new IllegalArgumentException(
                    "%s is not the JSON of a contract: %s".formatted(file, error.getMessage()), error);
        }
    }

    public static Contract parse(String json) throws JsonProcessingException {
        JsonNode contract = MAPPER.readTree(json);
        List<String> partitionBy = new ArrayList<>();
        contract.path("partition_by").forEach(column -> partitionBy.add(column.textValue()));
        return new Contract(
                contract.required("table").textValue(),
                TimeUtils.parseDuration(contract.required("freshness").textValue()),
                Source.of(contract),
                contract.required("columns").toString(),
                EventTime.of(contract.required("event_time")),
                TimeUtils.parseDuration(
                        contract.path("transform").path("window").asText("5 minutes")),
                List.copyOf(partitionBy),
                OnInvalid.valueOf(
                        contract.path("on_invalid").asText("quarantine").toUpperCase(Locale.ROOT)),
                contract.path("late").textValue(),
                contract.path("also_to").path("topic").textValue());
    }

    /** The quarantine table. */
    public String rejectedTable() {
        return table + "_rejected";
    }
}
