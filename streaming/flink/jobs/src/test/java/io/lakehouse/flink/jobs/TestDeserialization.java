package io.lakehouse.flink.jobs;

import org.apache.flink.api.common.serialization.DeserializationSchema.InitializationContext;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.groups.UnregisteredMetricsGroup;
import org.apache.flink.util.SimpleUserCodeClassLoader;
import org.apache.flink.util.UserCodeClassLoader;

/** What a deserializer is opened with when no source is there. */
public record TestDeserialization(MetricGroup metrics) implements InitializationContext {
    public TestDeserialization() {
        this(new UnregisteredMetricsGroup());
    }

    @Override
    public MetricGroup getMetricGroup() {
        return metrics;
    }

    @Override
    public UserCodeClassLoader getUserCodeClassLoader() {
        return SimpleUserCodeClassLoader.create(TestDeserialization.class.getClassLoader());
    }
}
