package io.lakehouse.flink.delta.internal.table;

import io.delta.kernel.Snapshot;
import io.delta.kernel.TableManager;
import io.delta.kernel.TransactionCommitResult;
import io.delta.kernel.defaults.engine.DefaultEngine;
import io.delta.kernel.engine.Engine;
import io.delta.kernel.exceptions.ConcurrentWriteException;
import io.delta.kernel.exceptions.MaxCommitRetryLimitReachedException;
import io.delta.kernel.exceptions.TableAlreadyExistsException;
import io.delta.kernel.exceptions.TableNotFoundException;
import io.delta.kernel.expressions.Column;
import io.delta.kernel.transaction.CreateTableTransactionBuilder;
import io.delta.kernel.transaction.DataLayoutSpec;
import io.delta.kernel.types.StructType;
import io.delta.kernel.utils.CloseableIterable;
import io.lakehouse.flink.delta.SchemaEvolution;
import io.lakehouse.flink.delta.internal.schema.DeltaSchema;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.flink.table.api.ValidationException;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The table's log: creates the table, checks that it fits the sink, and reads its newest state. */
public final class DeltaTable {

    private static final Logger LOG = LoggerFactory.getLogger(DeltaTable.class);

    /** How commits of this sink are signed in the table's history. */
    public static final String ENGINE_INFO = "lakehouse-flink-delta-sink";

    private final TableSettings settings;
    private final StructType schema;
    private final Engine engine;
    private final String path;

    public DeltaTable(TableSettings settings) throws IOException {
        Configuration hadoop = HadoopSettings.configuration(settings.hadoopOptions());
        this.settings = settings;
        this.schema = DeltaSchema.of(settings.rowType());
        this.engine = DefaultEngine.create(hadoop);
        Path location = new Path(settings.path());
        this.path = location.getFileSystem(hadoop).makeQualified(location).toString();
    }

    public Engine engine() {
        return engine;
    }

    public String path() {
        return path;
    }

    public StructType schema() {
        return schema;
    }

    public List<String> partitionColumns() {
        return settings.partitionColumns();
    }

    /**
     * The newest snapshot of a table that fits the sink. Creates the table if there is none, and adds columns if that
     * is allowed.
     *
     * @throws ValidationException naming each difference, when the table does not fit
     */
    public Snapshot createOrValidate() {
        Snapshot snapshot = load().orElseGet(this::create);
        if (settings.schemaEvolution() == SchemaEvolution.NEWCOLUMN) {
            snapshot = new ColumnAdder(this).addMissing(snapshot);
        }
        validate(snapshot);
        return snapshot;
    }

    /**
     * The newest snapshot, checked again: other writers may have changed the table since.
     *
     * @throws ValidationException when the table does not fit any more, or is gone
     */
    public Snapshot reload() {
        Snapshot snapshot = load().orElseThrow(() -> new ValidationException(
                "The Delta table %s is gone: it has no log any more. Restore it, or start the job anew with another uid."
                        .formatted(path)));
        validate(snapshot);
        return snapshot;
    }

    private void validate(Snapshot snapshot) {
        TableCheck.of(path, snapshot, schema, settings.partitionColumns()).orThrow();
    }

    private Optional<Snapshot> load() {
        try {
            return Optional.of(TableManager.loadSnapshot(path).build(engine));
        } catch (TableNotFoundException e) {
            return Optional.empty();
        }
    }

    private Snapshot create() {
        Map<String, String> properties = new HashMap<>(settings.properties());
        // Said explicitly, so that no later default of any engine turns on what not all readers read.
        properties.putIfAbsent("delta.enableDeletionVectors", "false");
        CreateTableTransactionBuilder builder = TableManager.buildCreateTableTransaction(path, schema, ENGINE_INFO)
                .withTableProperties(properties)
                .withMaxRetries(0);
        if (!settings.partitionColumns().isEmpty()) {
            builder = builder.withDataLayoutSpec(DataLayoutSpec.partitioned(
                    settings.partitionColumns().stream().map(Column::new).toList()));
        }
        try {
            TransactionCommitResult result = builder.build(engine).commit(engine, CloseableIterable.emptyIterable());
            LOG.info("Created the Delta table {}", path);
            new PostCommitHooks(engine).run(result.getPostCommitHooks());
        } catch (ConcurrentWriteException | MaxCommitRetryLimitReachedException | TableAlreadyExistsException e) {
            LOG.info("Another writer created the Delta table {} first", path);
        }
        return reload();
    }
}
