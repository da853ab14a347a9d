package io.lakehouse.flink.jobs.sql;

import java.util.ArrayList;
import java.util.List;

/**
 * Splits a script at its semicolons and resolves its variables. Neither happens within comments; a semicolon within
 * quotes is text. Comments are left out, hints ({@code /*+ … *}{@code /}) stay.
 */
final class ScriptReader {
    private static final String HINT = "/*+";

    private final String script;
    private final Variables variables;
    private final List<Statement> statements = new ArrayList<>();
    private final StringBuilder sql = new StringBuilder();
    private int at;
    private int line = 1;
    private int firstLine;

    private ScriptReader(String script, Variables variables) {
        this.script = script;
        this.variables = variables;
    }

    /** @throws IllegalArgumentException naming the line, for an unknown variable, or a quote or comment without an end */
    static List<Statement> read(String script, Variables variables) {
        ScriptReader reader = new ScriptReader(script, variables);
        while (reader.at < script.length()) {
            reader.next();
        }
        reader.endOfStatement();
        return reader.statements;
    }

    private void next() {
        char character = script.charAt(at);
        if (script.startsWith("--", at)) {
            skipTo("\n", script.length());
        } else if (script.startsWith("/*", at) && !script.startsWith(HINT, at)) {
            int begun = line;
            if (!skipTo("*/", -1)) {
                throw new IllegalArgumentException("line %d: a comment begins here and has no end".formatted(begun));
            }
            at += 2;
            // What stands before and behind it are still two words.
            sql.append(sql.isEmpty() ? "" : " ");
        } else if (character == '\'' || character == '"' || character == '`') {
            quoted(character);
        } else if (character == ';') {
            endOfStatement();
            at++;
        } else if (script.startsWith("${", at)) {
            variable('\0');
        } else {
            take();
        }
    }

    /** Passes over text up to {@code end}, or to {@code otherwise} where there is none; newlines are kept. */
    private boolean skipTo(String end, int otherwise) {
        int found = script.indexOf(end, at);
        int to = found < 0 ? otherwise : found;
        for (; at < to; at++) {
            if (script.charAt(at) == '\n') {
                newline();
            }
        }
        return to >= 0;
    }

    private void quoted(char quote) {
        int begun = line;
        take();
        while (at < script.length()) {
            if (script.startsWith("${", at)) {
                variable(quote);
                continue;
            }
            // A doubled quote ends the text and begins another one, which comes to the same.
            boolean isEnd = script.charAt(at) == quote;
            take();
            if (isEnd) {
                return;
            }
        }
        throw new IllegalArgumentException("line %d: a %s begins here and has no end".formatted(begun, quote));
    }

    private void variable(char quote) {
        int end = script.indexOf('}', at);
        int lineEnd = script.indexOf('\n', at);
        if (end < 0 || (lineEnd >= 0 && lineEnd < end)) {
            throw new IllegalArgumentException(
                    "line %d: ${ begins here, but there is no } in this line".formatted(line));
        }
        String value = variables.resolve(script.substring(at + 2, end), line, quote == '\'');
        begin();
        sql.append(
                quote == '\0'
                        ? value
                        : value.replace(
                                String.valueOf(quote), String.valueOf(quote).repeat(2)));
        at = end + 1;
    }

    private void take() {
        char character = script.charAt(at++);
        if (character == '\n') {
            newline();
        } else if (!Character.isWhitespace(character) || !sql.isEmpty()) {
            begin();
            sql.append(character);
        }
    }

    private void newline() {
        line++;
        if (!sql.isEmpty()) {
            sql.append('\n');
        }
    }

    private void begin() {
        if (sql.isEmpty()) {
            firstLine = line;
        }
    }

    private void endOfStatement() {
        if (!sql.toString().isBlank()) {
            statements.add(new Statement(firstLine, sql.toString()));
        }
        sql.setLength(0);
    }
}
