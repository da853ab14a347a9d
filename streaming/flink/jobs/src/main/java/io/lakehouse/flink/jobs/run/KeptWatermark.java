package io.lakehouse.flink.jobs.run;

import java.util.stream.StreamSupport;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.base.LongSerializer;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Has a restored job go on with the watermark that its checkpoint was made at.
 *
 * <p>Flink's checkpoints hold no watermark. A restored job would begin without one, so that the first late event after a
 * restore opens its window anew, long after that was emitted and cleared, and is emitted as if it were all of the window.
 *
 * <p>It sits behind the exchange by key, right before the windows: there every subtask has seen one and the same watermark
 * when a checkpoint's barrier passes, idle partitions or not. (Flink's SQL windows keep theirs in the same way.)
 */
public final class KeptWatermark<T> extends AbstractStreamOperator<T> implements OneInputStreamOperator<T, T> {
    private static final ListStateDescriptor<Long> STATE =
            new ListStateDescriptor<>("watermark", LongSerializer.INSTANCE);

    private transient ListState<Long> state;
    private transient long current;
    private transient boolean restored;

    KeptWatermark() {}

    /** {@code events} by {@code key}, with a watermark that a restore does not set back. */
    public static <T, K> KeyedStream<T, K> keyBy(
            DataStream<T> events, KeySelector<T, K> key, TypeInformation<K> keyType) {
        DataStream<T> kept = events.keyBy(key, keyType)
                .transform("watermark", events.getType(), new KeptWatermark<T>())
                .uid("watermark");
        return DataStreamUtils.reinterpretAsKeyedStream(kept, key, keyType);
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
        super.initializeState(context);
        // All subtasks get what all subtasks had, since there may be more or fewer of them now.
        state = context.getOperatorStateStore().getUnionListState(STATE);
        current = Long.MIN_VALUE;
        if (context.isRestored()) {
            current = StreamSupport.stream(state.get().spliterator(), false)
                    .min(Long::compare)
                    .orElse(Long.MIN_VALUE);
            restored = current > Long.MIN_VALUE;
        }
    }

    @Override
    public void processElement(StreamRecord<T> event) throws Exception {
        emitRestored();
        output.collect(event);
    }

    @Override
    public void processWatermark(Watermark watermark) throws Exception {
        emitRestored();
        if (watermark.getTimestamp() > current) {
            current = watermark.getTimestamp();
            super.processWatermark(watermark);
        }
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
        super.snapshotState(context);
        state.clear();
        state.add(current);
    }

    /** Before anything else comes, and not when the operator is opened: then nothing may be given out yet. */
    private void emitRestored() throws Exception {
        if (restored) {
            restored = false;
            super.processWatermark(new Watermark(current));
        }
    }
}
