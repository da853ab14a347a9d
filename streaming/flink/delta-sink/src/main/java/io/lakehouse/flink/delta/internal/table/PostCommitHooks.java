package io.lakehouse.flink.delta.internal.table;

import io.delta.kernel.engine.Engine;
import io.delta.kernel.hook.PostCommitHook;
import io.delta.kernel.hook.PostCommitHook.PostCommitHookType;
import java.io.IOException;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log's own upkeep after a commit: a checkpoint of the log every few commits, a checksum file.
 *
 * <p>None of it changes what the table holds. So a failure is logged and not thrown: the commit stands.
 */
public final class PostCommitHooks {

    private static final Logger LOG = LoggerFactory.getLogger(PostCommitHooks.class);

    private final Engine engine;

    public PostCommitHooks(Engine engine) {
        this.engine = engine;
    }

    public void run(List<PostCommitHook> hooks) {
        for (PostCommitHook hook : hooks) {
            // A checksum from nothing replays the whole log, and readers do without; one that follows the last is
            // cheap.
            if (hook.getType() == PostCommitHookType.CHECKSUM_FULL) {
                continue;
            }
            try {
                hook.threadSafeInvoke(engine);
            } catch (IOException | RuntimeException e) {
                LOG.warn("{} after a Delta commit failed; the commit itself is not affected", hook.getType(), e);
            }
        }
    }
}
