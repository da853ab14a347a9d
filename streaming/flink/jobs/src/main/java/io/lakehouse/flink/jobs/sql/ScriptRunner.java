package io.lakehouse.flink.jobs.sql;

import io.lakehouse.flink.jobs.contract.Contract;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.CompiledPlan;
import org.apache.flink.table.api.PlanReference;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.api.internal.TableEnvironmentInternal;
import org.apache.flink.table.operations.Operation;
import org.apache.flink.table.operations.SinkModifyOperation;

/** A script as one job, whose name and whose operators' uids are the same each time. */
final class ScriptRunner {
    private static final Pattern SET = Pattern.compile("(?is)\\s*SET\\s+'([^']+)'\\s*=\\s*'((?:[^']|'')*)'\\s*");

    private final Path file;
    private final Variables variables;
    private final StreamTableEnvironment sql;

    /** @param file the script, for error messages */
    ScriptRunner(StreamExecutionEnvironment environment, Contract contract, Path file, Variables variables) {
        this.file = file;
        this.variables = variables;
        sql = StreamTableEnvironment.create(environment);
        sql.getConfig().set(PipelineOptions.NAME, contract.table());
        // Windows and times without a zone mean the same wherever the job runs.
        sql.getConfig().set("table.local-time-zone", "UTC");
        // The plan then names tables, and does not copy their options: secrets stay out of it.
        sql.getConfig().set("table.plan.compile.catalog-objects", "IDENTIFIER");
    }

    /** Submits the job of a {@code plan}. */
    TableResult submit(String plan) {
        return sql.loadPlan(PlanReference.fromJsonString(plan)).execute();
    }

    /**
     * The plan of the script {@code text}, with stable numbers.
     *
     * @throws ScriptException naming the line of what is wrong
     */
    String plan(String text) {
        return plan(text, insert -> true);
    }

    /**
     * The plan of what the script {@code text} writes into the Delta table at {@code location}, and of nothing else: a
     * replay must not write into a topic what its readers have got already.
     *
     * @throws ScriptException as {@link #plan}, and where it writes nothing there
     */
    String planOf(String text, String location) {
        return plan(text, insert -> location.equals(target(insert).get("table_path")));
    }

    private String plan(String text, Predicate<Statement> wanted) {
        try {
            Script script = Script.read(text, variables);
            script.setup().forEach(this::setUp);
            StatementSet inserts = sql.createStatementSet();
            List<Statement> taken = new ArrayList<>();
            script.inserts()
                    .forEach(insert -> at(insert, () -> {
                        if (wanted.test(insert)) {
                            inserts.addInsertSql(insert.onItsLines());
                            taken.add(insert);
                        }
                    }));
            if (taken.isEmpty()) {
                throw new IllegalArgumentException(
                        "no INSERT goes into a table declared WITH (${table_options}), which is all that a replay computes");
            }
            CompiledPlan plan = inserts.compilePlan();
            return PlanIds.renumber(plan.asJsonString());
        } catch (RuntimeException error) {
            throw ScriptException.of(file, error, variables);
        }
    }

    /** The options of the table that the {@code insert} writes into. */
    private Map<String, String> target(Statement insert) {
        Operation operation = ((TableEnvironmentInternal) sql)
                .getParser()
                .parse(insert.onItsLines())
                .get(0);
        return ((SinkModifyOperation) operation)
                .getContextResolvedTable()
                .getTable()
                .getOptions();
    }

    private void setUp(Statement statement) {
        at(statement, () -> {
            if (!statement.beginsWith("SET")) {
                sql.executeSql(statement.onItsLines());
                return;
            }
            Matcher set = SET.matcher(statement.sql());
            if (!set.matches()) {
                throw new IllegalArgumentException("expected SET 'option' = 'value'");
            }
            sql.getConfig().set(set.group(1), set.group(2).replace("''", "'"));
        });
    }

    private static void at(Statement statement, Runnable action) {
        try {
            action.run();
        } catch (RuntimeException error) {
            throw new IllegalArgumentException(
                    "the statement of line %d: %s".formatted(statement.line(), error.getMessage()), error);
        }
    }
}
