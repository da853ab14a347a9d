package io.lakehouse.flink.jobs.sql;

import io.lakehouse.flink.jobs.contract.Contract;
import io.lakehouse.flink.jobs.run.Arguments;
import io.lakehouse.flink.jobs.run.Sources;
import io.lakehouse.flink.jobs.run.Tables;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The script of a contract, with the variables that it can use. */
public final class SqlTransform {
    private final Contract contract;
    private final Tables tables;
    private final Arguments arguments;

    public SqlTransform(Contract contract, Tables tables, Arguments arguments) {
        this.contract = contract;
        this.tables = tables;
        this.arguments = arguments;
    }

    /**
     * Submits the script as a job that begins where it stopped, or without state where the contract says.
     *
     * @throws ScriptException when the script cannot run
     */
    public void submit(StreamExecutionEnvironment environment) throws IOException, InterruptedException {
        Path file = Path.of(arguments.required("script"));
        boolean withState = environment
                .getConfiguration()
                .getOptional(StateRecoveryOptions.SAVEPOINT_PATH)
                .isPresent();
        ScriptRunner runner = new ScriptRunner(environment, contract, file, new Variables(values(), System::getenv));
        String text = Files.readString(file);
        String plan = Sources.isBounded(arguments)
                ? runner.planOf(text, tables.location(contract.table()))
                : runner.plan(text);
        if (!withState) {
            GroupOffsets.commit(contract, arguments);
        }
        runner.submit(plan);
    }

    private Map<String, String> values() {
        Map<String, String> values = new HashMap<>(ContractVariables.of(
                contract,
                tables,
                arguments.kafkaProperties(),
                arguments.optional("sink-uid").orElse("flink"),
                Sources.endingOffsets(arguments)));
        arguments.beginningWith("set.").forEach((name, value) -> {
            if (values.putIfAbsent(name, value) != null) {
                throw new IllegalArgumentException(
                        "--set.%s: ${%s} is given by the contract and the other arguments. Choose another name."
                                .formatted(name, name));
            }
        });
        return values;
    }
}
