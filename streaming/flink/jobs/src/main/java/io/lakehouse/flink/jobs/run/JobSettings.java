package io.lakehouse.flink.jobs.run;

import java.time.Duration;
import java.util.Optional;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.ExternalizedCheckpointRetention;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.ReadableConfig;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.TimeUtils;

/** What all jobs run with: checkpoints, state, object reuse, parallelism. */
public final class JobSettings {
    /** A checkpoint is made this many times within the freshness that readers were promised: time is left to write it. */
    private static final int CHECKPOINTS_PER_FRESHNESS = 6;

    private static final Duration SHORTEST_INTERVAL = Duration.ofSeconds(1);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);
    private static final Duration TIMEOUT = Duration.ofMinutes(2);
    private static final int KEPT = 3;

    private JobSettings() {}

    /** How often rows have to become visible for a table of that freshness. */
    public static Duration interval(Duration freshness) {
        Duration share = freshness.dividedBy(CHECKPOINTS_PER_FRESHNESS);
        return share.compareTo(SHORTEST_INTERVAL) < 0 ? SHORTEST_INTERVAL : share;
    }

    /**
     * An environment for a job with {@code --parallelism}, and with checkpoints every {@code --checkpoint-interval}; where
     * that is not given as the configuration of this run says, and else every {@code interval}.
     */
    public static StreamExecutionEnvironment environment(Arguments arguments, Duration interval) {
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
        Optional<Duration> given = arguments.optional("checkpoint-interval").map(JobSettings::duration);
        environment.configure(settings(environment.getConfiguration(), given, interval));
        arguments.positive("parallelism").ifPresent(environment::setParallelism);
        return environment;
    }

    /** What to set beside what is {@code present}. */
    public static Configuration settings(ReadableConfig present, Optional<Duration> given, Duration otherwise) {
        Duration interval = given.orElseGet(() ->
                present.getOptional(CheckpointingOptions.CHECKPOINTING_INTERVAL).orElse(otherwise));
        Duration pause = interval.dividedBy(2);
        Configuration settings = new Configuration();
        settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, interval);
        settings.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
        Defaults defaults = new Defaults(present, settings);
        defaults.set(
                CheckpointingOptions.MIN_PAUSE_BETWEEN_CHECKPOINTS,
                pause.compareTo(LONGEST_PAUSE) < 0 ? pause : LONGEST_PAUSE);
        defaults.set(CheckpointingOptions.CHECKPOINTING_TIMEOUT, TIMEOUT);
        defaults.set(CheckpointingOptions.MAX_CONCURRENT_CHECKPOINTS, 1);
        defaults.set(CheckpointingOptions.MAX_RETAINED_CHECKPOINTS, KEPT);
        defaults.set(
                CheckpointingOptions.EXTERNALIZED_CHECKPOINT_RETENTION,
                ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION);
        defaults.set(StateBackendOptions.STATE_BACKEND, "rocksdb");
        defaults.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        // Messages go from operator to operator as they are; each is done with when the next one comes.
        settings.set(PipelineOptions.OBJECT_REUSE, true);
        // An operator without a uid of its own is an error: it would lose its state when the job changes.
        settings.set(PipelineOptions.AUTO_GENERATE_UIDS, false);
        // Nor is a type without a serializer of its own allowed: Kryo is slow, and its state does not outlive a change.
        settings.set(PipelineOptions.GENERIC_TYPES, false);
        return settings;
    }

    private static Duration duration(String text) {
        Duration interval = TimeUtils.parseDuration(text);
        if (interval.toMillis() < 1) {
            throw new IllegalArgumentException(
                    "--checkpoint-interval is '%s', but has to be a duration such as '5 s'".formatted(text));
        }
        return interval;
    }

    /** Settings for what the configuration of the run does not say. */
    private record Defaults(ReadableConfig present, Configuration settings) {
        <T> void set(ConfigOption<T> option, T value) {
            settings.set(option, present.getOptional(option).orElse(value));
        }
    }
}
