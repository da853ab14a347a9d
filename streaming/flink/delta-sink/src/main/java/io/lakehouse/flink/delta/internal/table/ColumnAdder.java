package io.lakehouse.flink.delta.internal.table;

import io.delta.kernel.Operation;
import io.delta.kernel.Snapshot;
import io.delta.kernel.TableManager;
import io.delta.kernel.exceptions.ConcurrentWriteException;
import io.delta.kernel.exceptions.MaxCommitRetryLimitReachedException;
import io.delta.kernel.internal.SnapshotImpl;
import io.delta.kernel.internal.TransactionImpl;
import io.delta.kernel.types.StructField;
import io.delta.kernel.types.StructType;
import io.delta.kernel.types.TimestampNTZType;
import io.delta.kernel.utils.CloseableIterable;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.flink.table.api.ValidationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Adds the sink's new nullable columns at the end of the table's schema.
 *
 * <p>Kernel's public API changes a schema only with column mapping, which not every reader of these tables understands;
 * adding a nullable column needs none, so the new metadata goes to Kernel's transaction directly.
 */
final class ColumnAdder {

    private static final Logger LOG = LoggerFactory.getLogger(ColumnAdder.class);

    private final DeltaTable table;

    ColumnAdder(DeltaTable table) {
        this.table = table;
    }

    Snapshot addMissing(Snapshot snapshot) {
        Snapshot newest = snapshot;
        List<StructField> missing = missing(newest);
        while (!missing.isEmpty()) {
            try {
                add(missing, (SnapshotImpl) newest);
                LOG.info("Added columns {} to the Delta table {}", missing, table.path());
            } catch (ConcurrentWriteException | MaxCommitRetryLimitReachedException e) {
                // Somebody committed in between: look again whether the columns are still missing.
                LOG.info("The Delta table {} changed while columns were added to it", table.path());
            }
            newest = TableManager.loadSnapshot(table.path()).build(table.engine());
            missing = missing(newest);
        }
        return newest;
    }

    private List<StructField> missing(Snapshot snapshot) {
        return table.schema().fields().stream()
                .filter(field -> snapshot.getSchema().fields().stream()
                        .noneMatch(existing -> existing.getName().equalsIgnoreCase(field.getName())))
                .peek(field -> check(field, snapshot))
                .toList();
    }

    private void check(StructField field, Snapshot snapshot) {
        if (!field.isNullable()) {
            throw new ValidationException(
                    ("Column '%s' is NOT NULL and cannot be added to the Delta table %s: its existing"
                                    + " rows have no value for it. Declare the column nullable.")
                            .formatted(field.getName(), table.path()));
        }
        boolean supported = snapshot.getProtocol().getReaderAndWriterFeatures().contains("timestampNtz");
        if (field.getDataType() instanceof TimestampNTZType && !supported) {
            throw new ValidationException(
                    ("Column '%s' is TIMESTAMP, which needs the table feature timestampNtz, and the Delta table %s does not"
                                    + " have it. Use TIMESTAMP_LTZ, or enable the feature:"
                                    + " ALTER TABLE … SET TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported').")
                            .formatted(field.getName(), table.path()));
        }
    }

    private void add(List<StructField> columns, SnapshotImpl snapshot) {
        List<StructField> fields = new ArrayList<>(snapshot.getSchema().fields());
        fields.addAll(columns);
        TransactionImpl transaction = new TransactionImpl(
                false,
                snapshot.getDataPath(),
                Optional.of(snapshot),
                DeltaTable.ENGINE_INFO,
                Operation.MANUAL_UPDATE,
                Optional.empty(),
                Optional.of(snapshot.getMetadata().withNewSchema(new StructType(fields))),
                snapshot.getCommitter(),
                Optional.empty(),
                Optional.empty(),
                Optional.of(0),
                0,
                System::currentTimeMillis);
        transaction.commit(table.engine(), CloseableIterable.emptyIterable());
    }
}
