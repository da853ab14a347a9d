package io.lakehouse.flink.jobs.run;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.BoundedOutOfOrdernessWatermarks;
import org.apache.flink.api.common.eventtime.WatermarkOutput;

/**
 * The watermark of bounded out-of-orderness, given out behind each event.
 *
 * <p>A live job gives out its watermark every 200 milliseconds, within which a fifth of a second's events come. A replay
 * reads minutes of events in that time, and what was late in the live job would be in time: the clock, and not the events,
 * would decide.
 */
public final class ReplayedWatermarks<T> extends BoundedOutOfOrdernessWatermarks<T> {

    public ReplayedWatermarks(Duration outOfOrderness) {
        super(outOfOrderness);
    }

    @Override
    public void onEvent(T event, long timestamp, WatermarkOutput output) {
        super.onEvent(event, timestamp, output);
        onPeriodicEmit(output);
    }
}
