package io.lakehouse.flink.delta.internal.commit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lakehouse.flink.delta.internal.parquet.DataFile;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class SerializersTest {

    private static final DataFile FILE = new DataFile(
            "s3://lake/t/ü=1/x.parquet",
            1L << 40,
            2,
            3,
            Arrays.asList(null, true, (byte) -1, (short) -2, 3, 4L, 0.5f, -0.0, new BigDecimal("-1.50"), "日本/%20 "),
            "{\"numRecords\":3,\"x\":\"" + "y".repeat(100_000) + "\"}");

    @Test
    void commitsSurviveState() throws Exception {
        CheckpointCommit commit = new CheckpointCommit("app", 5, 3, Long.MAX_VALUE, List.of(FILE, FILE));
        CheckpointCommitSerializer serializer = new CheckpointCommitSerializer();

        assertThat(serializer.deserialize(serializer.getVersion(), serializer.serialize(commit)))
                .isEqualTo(commit);
    }

    @Test
    void dataFilesSurviveTheNetwork() throws Exception {
        DataFileSerializer serializer = new DataFileSerializer();

        assertThat(serializer.deserialize(serializer.getVersion(), serializer.serialize(FILE)))
                .isEqualTo(FILE);
    }

    @Test
    void stateOfAnUnknownFormatIsRefused() {
        assertThatThrownBy(() -> new CheckpointCommitSerializer().deserialize(2, new byte[0]))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("format 2")
                .hasMessageContaining("format 1");
    }
}
