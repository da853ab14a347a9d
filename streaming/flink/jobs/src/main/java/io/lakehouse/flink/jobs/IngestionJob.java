package io.lakehouse.flink.jobs;

import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.events.KafkaMessage;
import io.lakehouse.flink.jobs.events.MessageDeserializer;
import io.lakehouse.flink.jobs.ingestion.Ingestion;
import io.lakehouse.flink.jobs.run.Arguments;
import io.lakehouse.flink.jobs.run.JobSettings;
import io.lakehouse.flink.jobs.run.Sources;
import io.lakehouse.flink.jobs.run.Tables;
import java.nio.file.Path;
import java.util.Set;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Fills the table of any contract without a transform, with the same rows as under Spark.
 *
 * <pre>
 * --contract FILE              the contract as JSON
 * --bootstrap-servers LIST     Kafka, host:port[,…]
 * --tables ROOT                where the tables are, a path or s3://bucket/prefix
 * --parallelism N              default: the cluster's; more than the topic has partitions is of no use
 * --checkpoint-interval TIME   default: a sixth of the contract's freshness, at least a second
 * --starting-offsets JSON      {"0": 42}: where a job without state begins, before what the contract says
 * --quarantined JSON           {"0": 42}: offsets below which the quarantine table has what is invalid already
 * --sink-uid NAME              default: flink; another one begins anew in tables that a job without its state wrote
 * --hadoop.OPTION VALUE        Hadoop's configuration
 * --kafka.OPTION VALUE         of each client of Kafka
 * </pre>
 */
public final class IngestionJob {
    private static final Set<String> ARGUMENTS = Set.of(
            "contract",
            "bootstrap-servers",
            "tables",
            "parallelism",
            "checkpoint-interval",
            "starting-offsets",
            "quarantined",
            "sink-uid");

    private IngestionJob() {}

    public static void main(String[] args) throws Exception {
        Arguments arguments = Arguments.parse(args, ARGUMENTS);
        Contract contract = Contract.read(Path.of(arguments.required("contract")));
        Tables tables = new Tables(arguments.required("tables"), arguments.hadoopOptions());
        StreamExecutionEnvironment environment =
                JobSettings.environment(arguments, JobSettings.interval(contract.freshness()));
        DataStream<KafkaMessage> messages = environment
                .fromSource(
                        Sources.of(contract, arguments, new MessageDeserializer()),
                        WatermarkStrategy.noWatermarks(),
                        contract.source().topic())
                .uid("source");
        String sinkUid = arguments.optional("sink-uid").orElse("flink");
        new Ingestion(contract, tables, sinkUid, arguments.offsets("quarantined")).write(messages);
        environment.execute(contract.table());
    }
}
