package io.lakehouse.flink.delta.internal.parquet;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;

/** Partition values as a map key. */
record PartitionKey(List<Object> values) {

    static final PartitionKey NONE = new PartitionKey(List.of());

    /** A key of its own, which later changes of {@code values} do not reach. */
    static PartitionKey copyOf(Object[] values) {
        return new PartitionKey(Collections.unmodifiableList(Arrays.asList(values.clone())));
    }

    boolean matches(Object[] others) {
        for (int i = 0; i < others.length; i++) {
            if (!Objects.equals(values.get(i), others[i])) {
                return false;
            }
        }
        return true;
    }
}
