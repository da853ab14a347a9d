package io.lakehouse.flink.jobs.contract;

/** What becomes of a message that the contract's columns cannot hold. */
public enum OnInvalid {
    /** Its bytes go into the quarantine table. */
    QUARANTINE,
    /** It is counted and left out. */
    DROP,
    /** It stops the job. */
    FAIL
}
