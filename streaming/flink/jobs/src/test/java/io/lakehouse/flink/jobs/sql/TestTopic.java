package io.lakehouse.flink.jobs.sql;

import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A topic in this process, for the connector {@code test-topic}: messages that wait to be read, and rows that were
 * written.
 */
final class TestTopic {
    private static final Map<String, TestTopic> TOPICS = new ConcurrentHashMap<>();

    final Queue<String> messages = new ConcurrentLinkedQueue<>();
    final Queue<String> written = new ConcurrentLinkedQueue<>();
    /** Whether a job waits for more messages when these are read. */
    volatile boolean endless;

    private TestTopic() {}

    static TestTopic of(String name) {
        return TOPICS.computeIfAbsent(name, ignored -> new TestTopic());
    }

    static void clear() {
        TOPICS.clear();
    }

    TestTopic with(List<String> more) {
        messages.addAll(more);
        return this;
    }
}
