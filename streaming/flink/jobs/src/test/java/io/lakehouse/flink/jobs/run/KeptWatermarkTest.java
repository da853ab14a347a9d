package io.lakehouse.flink.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.flink.api.common.typeutils.base.StringSerializer;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.streaming.util.AbstractStreamOperatorTestHarness;
import org.apache.flink.streaming.util.OneInputStreamOperatorTestHarness;
import org.junit.jupiter.api.Test;

class KeptWatermarkTest {
    private static final StreamRecord<String> LATE = new StreamRecord<>("late", 5);

    @Test
    void whatIsRestoredBeginsWithTheWatermarkOfItsCheckpointAndNeverGoesBack() throws Exception {
        try (var restored = restored(snapshot(0, 1, 100), 0, 1)) {
            assertThat(restored.getOutput()).isEmpty();

            restored.processElement(LATE);
            restored.processWatermark(7);
            restored.processWatermark(101);

            assertThat(restored.getOutput()).containsExactly(new Watermark(100), LATE, new Watermark(101));
        }
    }

    @Test
    void aWatermarkMayBeTheFirstToCome() throws Exception {
        try (var restored = restored(snapshot(0, 1, 100), 0, 1)) {
            restored.processWatermark(7);

            assertThat(restored.getOutput()).containsExactly(new Watermark(100));
        }
    }

    @Test
    void whatHadNoWatermarkYetBeginsWithout() throws Exception {
        try (var restored = restored(snapshot(0, 1, null), 0, 1)) {
            restored.processElement(LATE);
            restored.processWatermark(7);

            assertThat(restored.getOutput()).containsExactly(LATE, new Watermark(7));
        }
    }

    @Test
    void everySubtaskOfMoreOrOfFewerBeginsWithTheSmallest() throws Exception {
        OperatorSubtaskState two =
                AbstractStreamOperatorTestHarness.repackageState(snapshot(0, 2, 100), snapshot(1, 2, 90));
        for (int subtask = 0; subtask < 3; subtask++) {
            try (var restored = restored(
                    AbstractStreamOperatorTestHarness.repartitionOperatorState(two, 3, 2, 3, subtask), subtask, 3)) {
                restored.processElement(LATE);

                assertThat(restored.getOutput()).containsExactly(new Watermark(90), LATE);
            }
        }
    }

    private static OperatorSubtaskState snapshot(int subtask, int parallelism, Integer watermark) throws Exception {
        try (var harness = harness(subtask, parallelism)) {
            harness.open();
            if (watermark != null) {
                harness.processWatermark(watermark);
            }
            return harness.snapshot(1, 1);
        }
    }

    private static OneInputStreamOperatorTestHarness<String, String> restored(
            OperatorSubtaskState state, int subtask, int parallelism) throws Exception {
        var harness = harness(subtask, parallelism);
        harness.initializeState(state);
        harness.open();
        return harness;
    }

    private static OneInputStreamOperatorTestHarness<String, String> harness(int subtask, int parallelism)
            throws Exception {
        var harness = new OneInputStreamOperatorTestHarness<>(new KeptWatermark<String>(), 4, parallelism, subtask);
        harness.setup(StringSerializer.INSTANCE);
        return harness;
    }
}
