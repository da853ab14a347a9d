package io.lakehouse.flink.jobs.run;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.CommonClientConfigs;

/**
 * Arguments of a job, {@code --name value} each. A name that ends with a dot stands for all that begin with it; those that
 * begin with {@code hadoop.} are passed on to Hadoop, and with {@code kafka.} to each client of Kafka.
 */
public final class Arguments {
    private static final String PREFIX = "--";
    private static final String HADOOP = "hadoop.";
    private static final String KAFKA = "kafka.";

    private final Map<String, String> values;
    private final Set<String> known;

    private Arguments(Map<String, String> values, Set<String> known) {
        this.values = values;
        this.known = known;
    }

    /** @throws IllegalArgumentException naming the argument that is none of the {@code known}, or has no value */
    public static Arguments parse(String[] given, Set<String> known) {
        Map<String, String> values = new LinkedHashMap<>();
        Set<String> all = new TreeSet<>(known);
        all.add(HADOOP);
        all.add(KAFKA);
        Arguments arguments = new Arguments(values, all);
        for (int i = 0; i < given.length; i += 2) {
            String name = given[i].startsWith(PREFIX) ? given[i].substring(PREFIX.length()) : "";
            if (!arguments.isKnown(name)) {
                throw new IllegalArgumentException(
                        "'%s' is no argument of this job. %s".formatted(given[i], arguments));
            }
            if (i + 1 == given.length) {
                throw new IllegalArgumentException("%s has no value: write %s VALUE".formatted(given[i], given[i]));
            }
            if (values.put(name, given[i + 1]) != null) {
                throw new IllegalArgumentException("%s is given twice: keep one".formatted(given[i]));
            }
        }
        return arguments;
    }

    /** @throws IllegalArgumentException when it is not given */
    public String required(String name) {
        return optional(name)
                .orElseThrow(() -> new IllegalArgumentException("--%s is missing. %s".formatted(name, this)));
    }

    public Optional<String> optional(String name) {
        return Optional.ofNullable(values.get(name));
    }

    /** @throws IllegalArgumentException when it is no whole number from 1 on */
    public Optional<Integer> positive(String name) {
        return optional(name).map(value -> {
            if (!value.matches("[1-9][0-9]{0,8}")) {
                throw new IllegalArgumentException(
                        "--%s is '%s', but has to be a whole number from 1 on".formatted(name, value));
            }
            return Integer.valueOf(value);
        });
    }

    /** Offsets by partition; none when it is not given. @throws IllegalArgumentException when it is something else */
    public Map<Integer, Long> offsets(String name) {
        return optional(name).map(json -> StartingOffsets.parse(name, json)).orElse(Map.of());
    }

    /** Options of Hadoop's configuration, such as {@code fs.s3a.endpoint}. Credentials belong into the environment. */
    public Map<String, String> hadoopOptions() {
        return beginningWith(HADOOP);
    }

    /**
     * What each client of Kafka is to be told: the servers, and how to reach them. Credentials belong into the
     * environment, which <code>${env:NAME}</code> refers to once {@code config.providers} says so.
     *
     * @throws IllegalArgumentException when {@code bootstrap-servers} is not given
     */
    public Properties kafkaProperties() {
        Properties properties = new Properties();
        properties.putAll(beginningWith(KAFKA));
        properties.setProperty(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG, required("bootstrap-servers"));
        return properties;
    }

    /** What was given under names that begin with {@code prefix}, by the rest of their names. */
    public Map<String, String> beginningWith(String prefix) {
        Map<String, String> found = new TreeMap<>();
        values.forEach((name, value) -> {
            if (name.startsWith(prefix)) {
                found.put(name.substring(prefix.length()), value);
            }
        });
        return found;
    }

    private boolean isKnown(String name) {
        return known.stream()
                .anyMatch(one -> one.endsWith(".") ? name.startsWith(one) && !name.equals(one) : name.equals(one));
    }

    @Override
    public String toString() {
        return known.stream()
                .map(name -> name.endsWith(".") ? "--%sNAME".formatted(name) : "--" + name)
                .collect(Collectors.joining(", ", "Arguments: ", ", each with a value."));
    }
}
