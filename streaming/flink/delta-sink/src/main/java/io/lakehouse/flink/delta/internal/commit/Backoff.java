package io.lakehouse.flink.delta.internal.commit;

import java.util.concurrent.ThreadLocalRandom;

/**
 * Waits between attempts: up to twice as long each time, at random, so that writers that collided do not collide again.
 *
 * @param maxRetries attempts after the first
 */
public record Backoff(int maxRetries) {

    private static final long FIRST_MILLIS = 50;
    private static final long LONGEST_MILLIS = 5_000;

    /** @return false when no attempt is left */
    boolean pause(int retriesSoFar) throws InterruptedException {
        if (retriesSoFar >= maxRetries) {
            return false;
        }
        long ceiling = Math.min(LONGEST_MILLIS, FIRST_MILLIS << Math.min(retriesSoFar, 20));
        Thread.sleep(ThreadLocalRandom.current().nextLong(1, ceiling + 1));
        return true;
    }
}
