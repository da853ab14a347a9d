package io.lakehouse.flink.jobs.metrics;

import javax.annotation.Nullable;

/** A status as a key. Flink's keys are never null, a status may be. */
public record StatusKey(@Nullable String status) {}
