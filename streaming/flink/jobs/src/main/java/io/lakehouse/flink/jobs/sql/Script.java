package io.lakehouse.flink.jobs.sql;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The statements of a script in the order in which they run: what declares tables, views and functions, and sets
 * options; then what writes, all of it in one job.
 *
 * @param setup all before the first INSERT
 * @param inserts one INSERT, or those of one statement set
 */
record Script(List<Statement> setup, List<Statement> inserts) {
    private static final Set<String> SETUP = Set.of("CREATE", "DROP", "ALTER", "USE", "LOAD", "UNLOAD", "SET");

    /** Both forms of the beginning: that of a script, and that of an interface which takes one statement. */
    private static final String BEGIN = "BEGIN STATEMENT SET";

    private static final String EXECUTE = "EXECUTE STATEMENT SET BEGIN";
    private static final String END = "END";

    /**
     * Reads a script.
     *
     * @throws IllegalArgumentException naming the line of what cannot be part of one job
     */
    static Script read(String text, Variables variables) {
        List<Statement> setup = new ArrayList<>();
        List<Statement> inserts = new ArrayList<>();
        boolean inSet = false;
        boolean ended = false;
        for (Statement statement : ScriptReader.read(text, variables)) {
            if (ended) {
                throw refused(statement, "nothing may follow the INSERT or statement set: a script is one job");
            } else if (!inSet && statement.beginsWith(BEGIN)) {
                inSet = true;
            } else if (!inSet && statement.beginsWith(EXECUTE)) {
                inSet = true;
                inserts.add(insert(statement.without(4)));
            } else if (inSet && statement.beginsWith(END)) {
                ended = true;
            } else if (inSet) {
                inserts.add(insert(statement));
            } else if (SETUP.stream().anyMatch(statement::beginsWith)) {
                setup.add(statement);
            } else {
                inserts.add(insert(statement));
                ended = true;
            }
        }
        if (inserts.isEmpty() || !ended) {
            throw new IllegalArgumentException(
                    inSet
                            ? "The statement set has no END: close it with `END;`"
                            : "The script has no INSERT INTO: it would run nothing");
        }
        return new Script(setup, inserts);
    }

    private static Statement insert(Statement statement) {
        if (!statement.beginsWith("INSERT INTO")) {
            throw refused(statement, "expected INSERT INTO, BEGIN STATEMENT SET or one of " + SETUP);
        }
        return statement;
    }

    private static IllegalArgumentException refused(Statement statement, String why) {
        return new IllegalArgumentException("line %d: %s; found: %s"
                .formatted(
                        statement.line(),
                        why,
                        statement.sql().lines().findFirst().orElse("")));
    }
}
