package io.lakehouse.flink.delta.internal.commit;

/**
 * How far a sink has come, kept in Flink's state and, under the sink's {@code appId}, in the table.
 *
 * @param appId the sink's identity
 * @param checkpoint the last checkpoint that added files; 0 before the first
 * @param token the token of that checkpoint's commit
 */
public record Progress(String appId, long checkpoint, long token) {

    static Progress start(String appId) {
        return new Progress(appId, 0, 0);
    }
}
