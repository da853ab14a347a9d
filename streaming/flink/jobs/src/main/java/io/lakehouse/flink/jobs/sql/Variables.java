package io.lakehouse.flink.jobs.sql;

import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;

/**
 * What <code>${name}</code>, <code>${name:-otherwise}</code> and <code>${env:NAME}</code> stand for in a script.
 *
 * <p>A secret comes from the environment alone, and only within a string: a text between single quotes. {@link #redact}
 * takes it out of what is shown.
 */
final class Variables {
    private static final String ENVIRONMENT = "env:";
    private static final String OTHERWISE = ":-";

    private final Map<String, String> values;
    private final UnaryOperator<String> environment;
    private final Map<String, String> secrets = new TreeMap<>();

    /** @param environment a variable of the process's environment by its name, null where there is none */
    Variables(Map<String, String> values, UnaryOperator<String> environment) {
        this.values = Map.copyOf(values);
        this.environment = environment;
    }

    /**
     * The value of what stands between <code>${</code> and <code>}</code>.
     *
     * @throws IllegalArgumentException naming the {@code line} when there is none
     */
    String resolve(String reference, int line, boolean inString) {
        if (reference.startsWith(ENVIRONMENT)) {
            return secret(reference.substring(ENVIRONMENT.length()), line, inString);
        }
        int split = reference.indexOf(OTHERWISE);
        String name = split < 0 ? reference : reference.substring(0, split);
        String value = values.get(name);
        if (value != null) {
            return value;
        }
        if (split >= 0) {
            return reference.substring(split + OTHERWISE.length());
        }
        throw new IllegalArgumentException(
                "line %d: ${%s} is no variable. There are: %s; --set.%s VALUE adds it, and ${env:NAME} reads the environment."
                        .formatted(line, name, String.join(", ", new TreeSet<>(values.keySet())), name));
    }

    /** The {@code text}, each secret in it replaced by the reference that it came from. */
    String redact(String text) {
        String shown = text;
        for (Map.Entry<String, String> secret : secrets.entrySet()) {
            String reference = "${env:" + secret.getKey() + "}";
            // As it stands in SQL, and as it is.
            shown = shown.replace(secret.getValue().replace("'", "''"), reference)
                    .replace(secret.getValue(), reference);
        }
        return shown;
    }

    private String secret(String name, int line, boolean inString) {
        if (!inString) {
            throw new IllegalArgumentException(
                    "line %d: ${env:%s} may only stand in a string: write '${env:%s}'".formatted(line, name, name));
        }
        String value = environment.apply(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalArgumentException(
                    "line %d: ${env:%s} is not set in the environment of this process, Flink's JobManager: set it there and restart it"
                            .formatted(line, name));
        }
        secrets.put(name, value);
        return value;
    }
}
