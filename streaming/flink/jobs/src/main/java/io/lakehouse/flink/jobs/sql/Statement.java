package io.lakehouse.flink.jobs.sql;

import java.util.Locale;

/**
 * One statement of a script, its variables resolved and its comments left out.
 *
 * @param line where it begins in the script, from 1 on
 */
record Statement(int line, String sql) {

    /** Whether it begins with these {@code words}, which are in upper case and have one blank between them. */
    boolean beginsWith(String words) {
        String begin = sql.strip().replaceAll("\\s+", " ").toUpperCase(Locale.ROOT);
        return begin.equals(words) || begin.startsWith(words + " ");
    }

    /** The statement on the lines that it has in the script, so that Flink's errors name those. */
    String onItsLines() {
        return "\n".repeat(line - 1) + sql;
    }

    /** Behind its first {@code words} words. */
    Statement without(int words) {
        String rest = sql.replaceFirst("^(\\s*\\S+){%d}\\s*".formatted(words), "");
        int newlines = (int) sql.substring(0, sql.length() - rest.length())
                .chars()
                .filter(c -> c == '\n')
                .count();
        return new Statement(line + newlines, rest);
    }
}
