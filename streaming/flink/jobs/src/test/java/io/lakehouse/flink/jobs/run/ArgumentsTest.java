package io.lakehouse.flink.jobs.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ArgumentsTest {
    private static final Set<String> KNOWN = Set.of("bootstrap-servers", "tables", "parallelism");

    @Test
    void anUnknownArgumentIsRefusedWithThoseThatThereAre() {
        assertThatThrownBy(() -> parse("--table", "/x"))
                .hasMessageContaining("'--table' is no argument")
                .hasMessageContaining("--bootstrap-servers, --hadoop.NAME, --kafka.NAME, --parallelism, --tables");
    }

    @Test
    void anArgumentWithoutValueIsRefused() {
        assertThatThrownBy(() -> parse("--tables")).hasMessage("--tables has no value: write --tables VALUE");
    }

    @Test
    void anArgumentGivenTwiceIsRefused() {
        assertThatThrownBy(() -> parse("--tables", "a", "--tables", "b")).hasMessageContaining("given twice");
    }

    @Test
    void aMissingArgumentIsNamed() {
        assertThatThrownBy(() -> parse().required("tables")).hasMessageContaining("--tables is missing");
    }

    @Test
    void aNumberHasToBeOneOrMore() {
        assertThatThrownBy(() -> parse("--parallelism", "0").positive("parallelism"))
                .hasMessageContaining("--parallelism is '0'");
        assertThat(parse("--parallelism", "12").positive("parallelism")).hasValue(12);
    }

    @Test
    void hadoopOptionsArePassedOnByTheirOwnNames() {
        assertThat(parse("--hadoop.fs.s3a.endpoint", "http://x").hadoopOptions())
                .isEqualTo(Map.of("fs.s3a.endpoint", "http://x"));
    }

    @Test
    void kafkasClientsAreToldTheServersAndWhatIsGivenForThem() {
        assertThat(parse("--bootstrap-servers", "a:1", "--kafka.security.protocol", "SASL_SSL")
                        .kafkaProperties())
                .isEqualTo(Map.of("bootstrap.servers", "a:1", "security.protocol", "SASL_SSL"));
        assertThatThrownBy(() -> parse().kafkaProperties()).hasMessageContaining("--bootstrap-servers is missing");
    }

    @Test
    void aNameThatEndsWithADotStandsForAllThatBeginWithIt() {
        Arguments arguments = Arguments.parse(new String[] {"--set.topic", "t", "--set.a.b", "c"}, Set.of("set."));
        assertThat(arguments.beginningWith("set.")).isEqualTo(Map.of("topic", "t", "a.b", "c"));
        assertThatThrownBy(() -> Arguments.parse(new String[] {"--set.", "t"}, Set.of("set.")))
                .hasMessageContaining("'--set.' is no argument")
                .hasMessageContaining("--hadoop.NAME, --kafka.NAME, --set.NAME, each with a value.");
        assertThatThrownBy(() -> parse("--set.topic", "t")).hasMessageContaining("'--set.topic' is no argument");
    }

    private static Arguments parse(String... given) {
        return Arguments.parse(given, KNOWN);
    }
}
