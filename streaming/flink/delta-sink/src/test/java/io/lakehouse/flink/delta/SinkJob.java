package io.lakehouse.flink.delta;

import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import javax.annotation.Nullable;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.types.logical.RowType;

/** A job that writes the numbers 1 to n into a table, at a pace, and fails when told to. */
final class SinkJob {

    static final RowType TYPE = (RowType) DataTypes.ROW(
                    DataTypes.FIELD("id", DataTypes.BIGINT().notNull()), DataTypes.FIELD("bucket", DataTypes.STRING()))
            .getLogicalType();

    /** While true, rows trickle: the job stays alive until the test lets it finish. */
    static volatile boolean slow;

    /** Failures that are still to happen, each of them after a checkpoint was completed. */
    static final AtomicInteger FAILURES_LEFT = new AtomicInteger();

    private final Path table;
    private final long count;
    private int parallelism = 2;
    private boolean checkpointing = true;
    private Path restoreFrom;
    private String uid = "numbers";

    SinkJob(Path table, long count) {
        this.table = table;
        this.count = count;
    }

    SinkJob parallelism(int parallelism) {
        this.parallelism = parallelism;
        return this;
    }

    SinkJob withoutCheckpoints() {
        this.checkpointing = false;
        return this;
    }

    SinkJob restoreFrom(Path savepoint) {
        this.restoreFrom = savepoint;
        return this;
    }

    SinkJob uid(@Nullable String uid) {
        this.uid = uid;
        return this;
    }

    JobClient start() throws Exception {
        return environment().executeAsync();
    }

    void run() throws Exception {
        environment().execute();
    }

    static Path stopWithSavepoint(JobClient job, Path directory) throws Exception {
        String savepoint = job.stopWithSavepoint(false, directory.toString(), SavepointFormatType.CANONICAL)
                .get();
        return Path.of(java.net.URI.create(savepoint));
    }

    private StreamExecutionEnvironment environment() {
        Configuration configuration = new Configuration();
        configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        if (FAILURES_LEFT.get() > 0) {
            configuration.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
            configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, FAILURES_LEFT.get());
            configuration.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(10));
        }
        if (checkpointing) {
            configuration.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(50));
        }
        if (restoreFrom != null) {
            configuration.set(
                    StateRecoveryOptions.SAVEPOINT_PATH, restoreFrom.toUri().toString());
        }
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment(configuration)
                .setParallelism(parallelism);
        DeltaSinkBuilder<RowData> sink = DeltaSink.forRowData(TYPE)
                .tablePath(table.toString())
                .partitionBy(java.util.List.of("bucket"))
                .rollAtRows(300);
        if (uid != null) {
            sink.uid(uid);
        }
        environment
                .fromSource(new NumberSequenceSource(1, count), WatermarkStrategy.noWatermarks(), "numbers")
                .uid("source")
                .map(new Pace())
                .uid("pace")
                .returns(TypeInformation.of(RowData.class))
                .sinkTo(sink.build())
                .uid("sink");
        return environment;
    }

    private static final class Pace extends RichMapFunction<Long, RowData> implements CheckpointListener {

        private boolean checkpointed;

        @Override
        public RowData map(Long id) throws Exception {
            if (slow || FAILURES_LEFT.get() > 0) {
                Thread.sleep(5);
            }
            if (checkpointed && FAILURES_LEFT.get() > 0 && id % 7 == 0) {
                checkpointed = false;
                if (FAILURES_LEFT.getAndDecrement() > 0) {
                    throw new IllegalStateException("Induced failure");
                }
            }
            return GenericRowData.of(id, StringData.fromString("b" + id % 3));
        }

        @Override
        public void notifyCheckpointComplete(long checkpointId) {
            checkpointed = true;
        }
    }
}
