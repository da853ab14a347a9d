package io.lakehouse.flink.jobs;

import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.metrics.MetricsMessages;
import io.lakehouse.flink.jobs.metrics.MetricsTables;
import io.lakehouse.flink.jobs.metrics.OrderDeserializer;
import io.lakehouse.flink.jobs.metrics.OrderEvent;
import io.lakehouse.flink.jobs.metrics.OrderMetrics;
import io.lakehouse.flink.jobs.metrics.WindowMetrics;
import io.lakehouse.flink.jobs.run.Arguments;
import io.lakehouse.flink.jobs.run.JobSettings;
import io.lakehouse.flink.jobs.run.Sources;
import io.lakehouse.flink.jobs.run.Tables;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Orders by status in windows of time, into a Delta table, and into a topic and a table of those that come too late where
 * the contract names these.
 *
 * <pre>
 * --contract FILE              the contract as JSON
 * --bootstrap-servers LIST     Kafka, host:port[,…]
 * --tables ROOT                where the tables are, a path or s3://bucket/prefix
 * --parallelism N              default: the cluster's
 * --checkpoint-interval TIME   default: 60 s
 * --starting-offsets JSON      {"0": 42}: where a job without state begins, before what the contract says
 * --ending-offsets JSON        {"0": 99}: where a replay ends and the job finishes; absent: it goes on for ever
 * --sink-uid NAME              default: flink; another one begins anew in tables that a job without its state wrote
 * --hadoop.OPTION VALUE        Hadoop's configuration
 * --kafka.OPTION VALUE         of each client of Kafka
 * </pre>
 */
public final class OrderMetricsJob {
    private static final Set<String> ARGUMENTS = Set.of(
            "contract",
            "bootstrap-servers",
            "tables",
            "parallelism",
            "checkpoint-interval",
            "starting-offsets",
            "ending-offsets",
            "sink-uid");

    private static final Duration CHECKPOINTS_EVERY = Duration.ofSeconds(60);
    /** Longer than usual outages, within what brokers allow: 15 minutes. See the README for what a longer one costs. */
    private static final Duration TRANSACTION_TIMEOUT = Duration.ofMinutes(10);

    private final Arguments arguments;
    private final Contract contract;
    private final Tables tables;

    private OrderMetricsJob(Arguments arguments) throws Exception {
        this.arguments = arguments;
        contract = Contract.read(Path.of(arguments.required("contract")));
        tables = new Tables(arguments.required("tables"), arguments.hadoopOptions());
    }

    public static void main(String[] args) throws Exception {
        new OrderMetricsJob(Arguments.parse(args, ARGUMENTS)).run();
    }

    private void run() throws Exception {
        StreamExecutionEnvironment environment = JobSettings.environment(arguments, CHECKPOINTS_EVERY);
        DataStream<OrderEvent> orders = environment
                .fromSource(
                        Sources.of(contract, arguments, new OrderDeserializer(contract)),
                        OrderMetrics.watermarks(contract.eventTime(), Sources.isBounded(arguments)),
                        contract.source().topic())
                .uid("source");
        SingleOutputStreamOperator<WindowMetrics> metrics = OrderMetrics.aggregate(orders, contract);
        new MetricsTables(contract, tables, arguments.optional("sink-uid").orElse("flink")).write(metrics);
        if (contract.alsoTo() != null) {
            metrics.sinkTo(metricsTopic(contract.alsoTo()))
                    .name(contract.alsoTo())
                    .uid("topic");
        }
        environment.execute(contract.table());
    }

    private KafkaSink<WindowMetrics> metricsTopic(String topic) {
        return KafkaSink.<WindowMetrics>builder()
                .setKafkaProducerConfig(arguments.kafkaProperties())
                .setDeliveryGuarantee(DeliveryGuarantee.EXACTLY_ONCE)
                .setTransactionalIdPrefix(Sources.group(contract))
                .setProperty("transaction.timeout.ms", String.valueOf(TRANSACTION_TIMEOUT.toMillis()))
                .setRecordSerializer(new MetricsMessages(topic))
                .build();
    }
}
