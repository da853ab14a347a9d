package io.lakehouse.flink.jobs.contract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lakehouse.flink.jobs.TestContract;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ContractTest {
    @TempDir
    Path directory;

    @Test
    void durationsThatTheContractLeavesOutAreThoseOfOrders() throws Exception {
        Contract contract = TestContract.of(directory, TestContract.EVERY_TYPE, "drop");
        assertThat(contract.eventTime())
                .isEqualTo(new EventTime(
                        "happened", Duration.ofSeconds(30), Duration.ofMinutes(1), Duration.ofMinutes(1)));
    }

    @Test
    void durationsOfTheContractComeFirst() throws Exception {
        EventTime eventTime = Contract.parse(
                        """
                        {"table": "a.b", "freshness": "1 minute", "columns": [], "source": {"topic": "t"},
                         "event_time": {"column": "at", "watermark": "2 seconds", "allowed_lateness": "250 milliseconds",
                                        "idleness": "3 hours"}}""")
                .eventTime();
        assertThat(eventTime)
                .isEqualTo(new EventTime("at", Duration.ofSeconds(2), Duration.ofMillis(250), Duration.ofHours(3)));
    }

    @Test
    void theEventsOfATableWithoutATransformHaveItsColumns() throws Exception {
        Contract contract = TestContract.of(directory, TestContract.EVERY_TYPE, "drop");
        assertThat(contract.source().columns()).isEqualTo(contract.columns());
        assertThat(contract.source().eventTime()).isEqualTo("happened");
    }

    @Test
    void aTransformHasEventsOfItsOwnAWindowAndFurtherTargets() throws Exception {
        Contract contract = Contract.parse(
                """
                {"table": "a.b", "freshness": "5 seconds", "columns": [{"name": "n"}], "event_time": {"column": "end"},
                 "source": {"topic": "t", "columns": [{"name": "m"}], "event_time": "at"}, "late": "a.late",
                 "transform": {"job": "x.Y", "sql": null, "window": "30 seconds"}, "also_to": {"topic": "t.results"}}""");
        assertThat(contract.source()).isEqualTo(new Source("t", "[{\"name\":\"m\"}]", "at", false, true));
        assertThat(contract.columns()).isEqualTo("[{\"name\":\"n\"}]");
        assertThat(contract.window()).isEqualTo(Duration.ofSeconds(30));
        assertThat(contract.late()).isEqualTo("a.late");
        assertThat(contract.alsoTo()).isEqualTo("t.results");
    }

    @Test
    void whatATransformLeavesOutIsFiveMinutesAndNoFurtherTargets() throws Exception {
        Contract contract = Contract.parse(
                """
                {"table": "a.b", "freshness": "5 seconds", "columns": [], "event_time": {"column": "end"},
                 "source": {"topic": "t"}, "transform": {"window": null}, "late": null, "also_to": null}""");
        assertThat(contract.window()).isEqualTo(Duration.ofMinutes(5));
        assertThat(contract.late()).isNull();
        assertThat(contract.alsoTo()).isNull();
    }

    @Test
    void aFileThatIsNoContractIsNamed() throws Exception {
        Path file = Files.writeString(directory.resolve("orders.yaml"), "table: raw.orders");
        assertThatThrownBy(() -> Contract.read(file)).hasMessageStartingWith(file + " is not the JSON of a contract");
        Files.writeString(file, "{\"table\": \"raw.orders\"}");
        assertThatThrownBy(() -> Contract.read(file)).hasMessageContaining("freshness");
    }
}
