package io.lakehouse.flink.jobs.run;

import static org.apache.flink.configuration.CheckpointingOptions.CHECKPOINTING_INTERVAL;
import static org.apache.flink.configuration.CheckpointingOptions.MIN_PAUSE_BETWEEN_CHECKPOINTS;
import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Optional;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.StateBackendOptions;
import org.junit.jupiter.api.Test;

class JobSettingsTest {
    @Test
    void checkpointsAreMadeSixTimesWithinTheFreshness() {
        assertThat(JobSettings.interval(Duration.ofSeconds(30))).isEqualTo(Duration.ofSeconds(5));
    }

    @Test
    void checkpointsAreAtLeastASecondApart() {
        assertThat(JobSettings.interval(Duration.ofSeconds(5))).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void theConfigurationOfTheRunComesBeforeTheFreshness() {
        Configuration run = new Configuration().set(CHECKPOINTING_INTERVAL, Duration.ofSeconds(7));
        assertThat(interval(run, Optional.empty())).isEqualTo(Duration.ofSeconds(7));
        assertThat(interval(new Configuration(), Optional.empty())).isEqualTo(Duration.ofSeconds(1));
    }

    @Test
    void theArgumentComesBeforeTheConfigurationOfTheRun() {
        Configuration run = new Configuration().set(CHECKPOINTING_INTERVAL, Duration.ofSeconds(7));
        assertThat(interval(run, Optional.of(Duration.ofSeconds(3)))).isEqualTo(Duration.ofSeconds(3));
    }

    @Test
    void aJobHasHalfTheIntervalForItselfButNoMoreThanHalfAMinute() {
        assertThat(pause(Duration.ofSeconds(60))).isEqualTo(Duration.ofSeconds(30));
        assertThat(pause(Duration.ofSeconds(2))).isEqualTo(Duration.ofSeconds(1));
        assertThat(pause(Duration.ofMinutes(10))).isEqualTo(Duration.ofSeconds(30));
    }

    @Test
    void whatTheRunSaysOfStateAndCheckpointsStays() {
        Configuration run = new Configuration()
                .set(StateBackendOptions.STATE_BACKEND, "hashmap")
                .set(CheckpointingOptions.MAX_RETAINED_CHECKPOINTS, 9);
        Configuration settings = JobSettings.settings(run, Optional.empty(), Duration.ofSeconds(1));
        assertThat(settings.get(StateBackendOptions.STATE_BACKEND)).isEqualTo("hashmap");
        assertThat(settings.get(CheckpointingOptions.MAX_RETAINED_CHECKPOINTS)).isEqualTo(9);
        assertThat(settings.get(CheckpointingOptions.INCREMENTAL_CHECKPOINTS)).isTrue();
    }

    private static Duration interval(Configuration run, Optional<Duration> given) {
        return JobSettings.settings(run, given, Duration.ofSeconds(1)).get(CHECKPOINTING_INTERVAL);
    }

    private static Duration pause(Duration interval) {
        return JobSettings.settings(new Configuration(), Optional.of(interval), interval)
                .get(MIN_PAUSE_BETWEEN_CHECKPOINTS);
    }
}
