package io.lakehouse.flink.jobs.sql;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;

/** Why a script cannot run. Neither its message nor its stack trace holds a secret. */
public final class ScriptException extends RuntimeException {
    private ScriptException(String message, Throwable cause) {
        super(message, cause);
    }

    static ScriptException of(Path script, RuntimeException error, Variables variables) {
        StringBuilder message = new StringBuilder().append(script).append(": ").append(error.getMessage());
        // Flink says what was wrong in the innermost exception, and around it only where.
        Throwable innermost = error;
        while (innermost.getCause() != null) {
            innermost = innermost.getCause();
        }
        if (innermost != error && message.indexOf(String.valueOf(innermost.getMessage())) < 0) {
            message.append(" Cause: ").append(innermost.getMessage());
        }
        StringWriter trace = new StringWriter();
        error.printStackTrace(new PrintWriter(trace));
        boolean showsSecret = !variables.redact(trace.toString()).equals(trace.toString());
        return new ScriptException(variables.redact(message.toString()), showsSecret ? null : error);
    }
}
