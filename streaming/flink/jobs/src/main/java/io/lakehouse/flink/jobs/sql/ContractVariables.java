package io.lakehouse.flink.jobs.sql;

import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.events.TableColumns;
import io.lakehouse.flink.jobs.run.Sources;
import io.lakehouse.flink.jobs.run.Tables;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** What a script can say of its contract. */
final class ContractVariables {
    private ContractVariables() {}

    /** All variables of a {@code contract} by their names; the README describes them. */
    static Map<String, String> of(
            Contract contract, Tables tables, Properties kafka, String sinkUid, Map<Integer, Long> endingOffsets) {
        Map<String, String> values = new HashMap<>();
        values.put("table", contract.table());
        values.put("table_columns", Columns.ddl(contract.columns()));
        values.put("table_options", options(target(contract, tables, sinkUid)));
        values.put("topic", contract.source().topic());
        values.put("event_columns", Columns.ddl(contract.source().columns()));
        values.put("event_time", contract.source().eventTime());
        values.put("event_options", options(source(contract, kafka, endingOffsets)));
        values.put("kafka_options", options(client(kafka)));
        values.put("group_id", Sources.group(contract));
        values.put("watermark", interval(contract.eventTime().watermark()));
        values.put("window", interval(contract.window()));
        if (contract.alsoTo() != null) {
            values.put("also_to_topic", contract.alsoTo());
        }
        return values;
    }

    private static Map<String, String> source(Contract contract, Properties kafka, Map<Integer, Long> endingOffsets) {
        Map<String, String> options = new LinkedHashMap<>();
        options.put("connector", "kafka");
        options.put("topic", contract.source().topic());
        options.putAll(client(kafka));
        options.put("properties.group.id", Sources.group(contract));
        options.put("properties.client.id.prefix", Sources.group(contract));
        // Together these stop the job at an offset that is gone: see GroupOffsets.
        options.put("scan.startup.mode", "group-offsets");
        options.put("properties.auto.offset.reset", "none");
        if (endingOffsets.isEmpty()) {
            options.put(
                    "scan.watermark.idle-timeout",
                    contract.eventTime().idleness().toMillis() + " ms");
        } else {
            options.put("scan.bounded.mode", "specific-offsets");
            options.put("scan.bounded.specific-offsets", ends(endingOffsets));
            // Not by the clock: see ReplayedWatermarks.
            options.put("scan.watermark.emit.strategy", "on-event");
        }
        options.put("format", "contract-json");
        options.put("contract-json.columns", Columns.schema(contract.source().columns()));
        return options;
    }

    private static String ends(Map<Integer, Long> offsets) {
        return new TreeMap<>(offsets)
                .entrySet().stream()
                        .map(end -> "partition:%d,offset:%d".formatted(end.getKey(), end.getValue()))
                        .collect(Collectors.joining(";"));
    }

    /** How the connector's clients reach Kafka. */
    private static Map<String, String> client(Properties kafka) {
        Map<String, String> options = new TreeMap<>();
        kafka.stringPropertyNames().forEach(name -> options.put("properties." + name, kafka.getProperty(name)));
        return options;
    }

    private static Map<String, String> target(Contract contract, Tables tables, String sinkUid) {
        Map<String, String> options = new LinkedHashMap<>();
        options.put("connector", "delta");
        options.put("table_path", tables.location(contract.table()));
        options.put("uid", sinkUid);
        options.put("name", contract.table());
        if (!contract.partitionBy().isEmpty()) {
            options.put("partitions", String.join(",", contract.partitionBy()));
        }
        EventSchema columns = EventSchema.fromJson(contract.columns());
        options.put(
                "parquet.plain_columns",
                String.join(";", new TreeSet<>(TableColumns.plain(TableColumns.declared(columns)))));
        tables.hadoopOptions().forEach((name, value) -> options.put("hadoop." + name, value));
        return options;
    }

    /** As they stand between the parentheses of WITH. */
    private static String options(Map<String, String> options) {
        return options.entrySet().stream()
                .map(option -> "'%s' = '%s'"
                        .formatted(option.getKey(), option.getValue().replace("'", "''")))
                .collect(Collectors.joining(", "));
    }

    /** A literal of SQL: days, hours, minutes, seconds, milliseconds. */
    static String interval(Duration duration) {
        return "INTERVAL '%d %02d:%02d:%02d.%03d' DAY TO SECOND(3)"
                .formatted(
                        duration.toDaysPart(),
                        duration.toHoursPart(),
                        duration.toMinutesPart(),
                        duration.toSecondsPart(),
                        duration.toMillisPart());
    }
}
