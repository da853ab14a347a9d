package io.lakehouse.flink.jobs;

import io.lakehouse.events.EventSchema;
import io.lakehouse.flink.delta.SchemaEvolution;
import io.lakehouse.flink.delta.internal.table.DeltaTable;
import io.lakehouse.flink.delta.internal.table.TableSettings;
import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.events.TableColumns;
import io.lakehouse.flink.jobs.run.Tables;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.flink.table.types.logical.RowType;

/** Contracts as the platform writes them, and their tables as the platform creates them. */
public final class TestContract {
    /** A column of each type, then the same with a default, then a copy. */
    public static final String EVERY_TYPE =
            """
            [{"name": "id", "type": "bigint", "required": true},
             {"name": "text", "type": "string"}, {"name": "flag", "type": "boolean"},
             {"name": "small", "type": "int", "minimum": -10}, {"name": "large", "type": "bigint"},
             {"name": "real", "type": "double"}, {"name": "day", "type": "date"},
             {"name": "moment", "type": "timestamp"},
             {"name": "text_or", "type": "string", "default": "none"},
             {"name": "flag_or", "type": "boolean", "default": true},
             {"name": "small_or", "type": "int", "default": 7},
             {"name": "real_or", "type": "double", "default": 0.5},
             {"name": "day_or", "type": "date", "default": "2000-01-01"},
             {"name": "happened", "type": "timestamp", "required": true},
             {"name": "moment_or", "type": "timestamp", "default_from": "happened"}]""";

    private TestContract() {}

    public static Contract of(Path directory, String columns, String onInvalid, String... partitionBy)
            throws Exception {
        String keys =
                List.of(partitionBy).stream().map("\"%s\""::formatted).toList().toString();
        Path file = directory.resolve("contract.json");
        Files.writeString(
                file,
                """
                {"table": "raw.things", "description": "Things", "owner": "team:test", "freshness": "5 seconds",
                 "consumers": [], "engine": "flink", "keys": [], "retention": "30 days",
                 "source": {"topic": "things", "format": "json", "starting_offsets": "earliest",
                            "max_offsets_per_trigger": 100000, "fail_on_data_loss": true},
                 "event_time": {"column": "happened"}, "on_invalid": "%s", "partition_by": %s, "columns": %s}
                """
                        .formatted(onInvalid, keys, columns));
        return Contract.read(file);
    }

    public static Tables create(Path root, Contract contract) throws Exception {
        Tables tables = new Tables(root.toString(), Map.of());
        EventSchema schema = EventSchema.fromJson(contract.columns());
        create(tables, contract.table(), TableColumns.ofEvents(schema), contract.partitionBy());
        create(tables, contract.rejectedTable(), TableColumns.ofRejected(), List.of());
        return tables;
    }

    public static void create(Tables tables, String table, RowType columns, List<String> partitionBy) throws Exception {
        new DeltaTable(new TableSettings(
                        tables.location(table), columns, partitionBy, Map.of(), Map.of(), SchemaEvolution.NO, 20))
                .createOrValidate();
    }
}
