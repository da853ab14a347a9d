package io.lakehouse.flink.jobs;

import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.run.Arguments;
import io.lakehouse.flink.jobs.run.JobSettings;
import io.lakehouse.flink.jobs.run.Tables;
import io.lakehouse.flink.jobs.sql.SqlTransform;
import java.nio.file.Path;
import java.util.Set;

/**
 * A contract's SQL script as one job.
 *
 * <pre>
 * --contract FILE              the contract as JSON
 * --script FILE                the script
 * --bootstrap-servers LIST     Kafka, host:port[,…]
 * --tables ROOT                where the tables are, a path or s3://bucket/prefix
 * --set.NAME VALUE             ${NAME} in the script; no secrets, which it reads from the environment: ${env:NAME}
 * --parallelism N              default: the cluster's
 * --checkpoint-interval TIME   default: a sixth of the contract's freshness, at least a second
 * --starting-offsets JSON      {"0": 42}: where a job without state begins, before what the contract says
 * --ending-offsets JSON        {"0": 99}: where a replay ends and the job finishes; absent: it goes on for ever
 * --sink-uid NAME              default: flink; another one begins anew in tables that a job without its state wrote
 * --hadoop.OPTION VALUE        Hadoop's configuration
 * --kafka.OPTION VALUE         of each client of Kafka
 * </pre>
 */
public final class SqlJob {
    private static final Set<String> ARGUMENTS = Set.of(
            "contract",
            "script",
            "bootstrap-servers",
            "tables",
            "set.",
            "parallelism",
            "checkpoint-interval",
            "starting-offsets",
            "ending-offsets",
            "sink-uid");

    private SqlJob() {}

    public static void main(String[] args) throws Exception {
        Arguments arguments = Arguments.parse(args, ARGUMENTS);
        Contract contract = Contract.read(Path.of(arguments.required("contract")));
        Tables tables = new Tables(arguments.required("tables"), arguments.hadoopOptions());
        tables.existing(contract.table());
        new SqlTransform(contract, tables, arguments)
                .submit(JobSettings.environment(arguments, JobSettings.interval(contract.freshness())));
    }
}
