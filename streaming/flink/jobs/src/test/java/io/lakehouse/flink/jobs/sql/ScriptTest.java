package io.lakehouse.flink.jobs.sql;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ScriptTest {
    private final Variables variables = new Variables(
            Map.of("table", "a.b", "columns", "`x` INT, `y` STRING", "name", "O'Neil"),
            name -> name.equals("PASSWORD") ? "hun'ter2" : null);

    @Test
    void statementsEndAtSemicolons() {
        assertThat(statements("CREATE TABLE a (x INT);\n\n  INSERT INTO a VALUES (1) ;\n"))
                .containsExactly(
                        new Statement(1, "CREATE TABLE a (x INT)"), new Statement(3, "INSERT INTO a VALUES (1) "));
    }

    @Test
    void semicolonsWithinQuotesAreText() {
        assertThat(sql("SELECT 'a;''b;', \";\", `;`; SELECT 2"))
                .containsExactly("SELECT 'a;''b;', \";\", `;`", "SELECT 2");
    }

    @Test
    void commentsAreLeftOutAndHintsStay() {
        assertThat(sql("-- one; 'two\nSELECT /* a; ${none} */ 1 -- ${none}\n, '-- text' /*+ HINT('a') */"))
                .containsExactly("SELECT   1 \n, '-- text' /*+ HINT('a') */");
    }

    @Test
    void aCommentSeparatesWords() {
        assertThat(sql("SELECT/* one */1")).containsExactly("SELECT 1");
    }

    @Test
    void aStatementIsOnItsLinesOfTheScript() {
        Statement second = statements("SELECT 1;\n/* a\ncomment */\n-- another\nSELECT\n  2")
                .get(1);
        assertThat(second.line()).isEqualTo(5);
        assertThat(second.onItsLines()).isEqualTo("\n\n\n\nSELECT\n  2");
    }

    @Test
    void commentsWithinAStatementDoNotMoveItsLines() {
        assertThat(sql("SELECT -- one\n /* two\n three */ x")).containsExactly("SELECT \n \n  x");
    }

    @Test
    void aQuoteOrCommentWithoutAnEndIsNamedWithItsLine() {
        assertThatThrownBy(() -> sql("SELECT\n 'a;")).hasMessageContaining("line 2: a ' begins here");
        assertThatThrownBy(() -> sql("SELECT 1;\n\n/* a")).hasMessageContaining("line 3: a comment begins here");
    }

    @Test
    void variablesAreResolvedAlsoInQuotes() {
        assertThat(sql("CREATE TABLE `${table}` (${columns}) WITH ('k' = 'it is ${table}')"))
                .containsExactly("CREATE TABLE `a.b` (`x` INT, `y` STRING) WITH ('k' = 'it is a.b')");
    }

    @Test
    void aValueCannotLeaveTheStringItStandsIn() {
        assertThat(sql("SELECT '${name}'")).containsExactly("SELECT 'O''Neil'");
    }

    @Test
    void aDefaultStandsInForAVariableThatIsNotThere() {
        assertThat(sql("SELECT ${rows:-10}, '${table:-x}', '${since:-5 min}'"))
                .containsExactly("SELECT 10, 'a.b', '5 min'");
    }

    @Test
    void anUnknownVariableIsNamedWithItsLineAndThoseThatThereAre() {
        assertThatThrownBy(() -> sql("SELECT 1;\nSELECT ${tabel}"))
                .hasMessageContaining("line 2: ${tabel} is no variable")
                .hasMessageContaining("columns, name, table")
                .hasMessageContaining("--set.tabel VALUE");
    }

    @Test
    void aVariableWithoutAnEndIsNamedWithItsLine() {
        assertThatThrownBy(() -> sql("SELECT 1,\n${table\n}")).hasMessageContaining("line 2: ${ begins here");
    }

    @Test
    void aSecretComesFromTheEnvironmentAndIsShownByItsName() {
        assertThat(sql("SELECT '${env:PASSWORD}'")).containsExactly("SELECT 'hun''ter2'");
        assertThat(variables.redact("no access with hun'ter2 or 'hun''ter2'"))
                .isEqualTo("no access with ${env:PASSWORD} or '${env:PASSWORD}'");
    }

    @Test
    void aSecretStandsInAStringOnly() {
        assertThatThrownBy(() -> sql("SELECT\n${env:PASSWORD}"))
                .hasMessageContaining("line 2: ${env:PASSWORD} may only");
        assertThatThrownBy(() -> sql("SELECT `${env:PASSWORD}`")).hasMessageContaining("may only stand in a string");
    }

    @Test
    void aSecretThatIsNotSetIsNamed() {
        assertThatThrownBy(() -> sql("SELECT '${env:NONE}'")).hasMessageContaining("line 1: ${env:NONE} is not set");
    }

    @Test
    void anErrorOfAScriptHoldsNoSecret() {
        sql("SELECT '${env:PASSWORD}'");
        var error = new IllegalStateException("cannot", new IllegalArgumentException("option = 'hun''ter2'"));
        ScriptException shown = ScriptException.of(Path.of("x.sql"), error, variables);
        assertThat(shown)
                .hasMessage("x.sql: cannot Cause: option = '${env:PASSWORD}'")
                .hasNoCause();
    }

    @Test
    void anErrorWithoutASecretKeepsItsCause() {
        var error = new IllegalStateException("cannot");
        assertThat(ScriptException.of(Path.of("x.sql"), error, variables))
                .hasMessage("x.sql: cannot")
                .hasCause(error);
    }

    @Test
    void whatWritesIsOneInsertOrOneStatementSet() {
        assertThat(script("SET 'a' = 'b'; CREATE VIEW v AS SELECT 1; INSERT INTO t SELECT * FROM v")
                        .inserts())
                .containsExactly(new Statement(1, "INSERT INTO t SELECT * FROM v"));
        List<Statement> both =
                List.of(new Statement(2, "INSERT INTO t SELECT 1"), new Statement(3, "INSERT INTO u SELECT 2"));
        assertThat(script("BEGIN  statement set;\nINSERT INTO t SELECT 1;\nINSERT INTO u SELECT 2;\nEND;")
                        .inserts())
                .isEqualTo(both);
        assertThat(script("EXECUTE STATEMENT SET BEGIN\nINSERT INTO t SELECT 1;\nINSERT INTO u SELECT 2;\nEND;")
                        .inserts())
                .extracting(Statement::line)
                .containsExactly(2, 3);
    }

    @Test
    void whatCannotBeOneJobIsRefusedWithItsLine() {
        assertThatThrownBy(() -> script("INSERT INTO t SELECT 1;\nINSERT INTO u SELECT 2"))
                .hasMessageContaining("line 2: nothing may follow the INSERT");
        assertThatThrownBy(() -> script("\nSELECT 1"))
                .hasMessageContaining("line 2: expected INSERT INTO")
                .hasMessageContaining("found: SELECT 1");
        assertThatThrownBy(() -> script("BEGIN STATEMENT SET;\nCREATE TABLE t (x INT);\nEND"))
                .hasMessageContaining("line 2: expected INSERT INTO");
        assertThatThrownBy(() -> script("BEGIN STATEMENT SET; INSERT INTO t SELECT 1;"))
                .hasMessageContaining("has no END");
        assertThatThrownBy(() -> script("CREATE TABLE t (x INT);")).hasMessageContaining("no INSERT INTO");
    }

    private Script script(String text) {
        return Script.read(text, variables);
    }

    private List<Statement> statements(String script) {
        return ScriptReader.read(script, variables);
    }

    private List<String> sql(String script) {
        return statements(script).stream().map(Statement::sql).toList();
    }
}
