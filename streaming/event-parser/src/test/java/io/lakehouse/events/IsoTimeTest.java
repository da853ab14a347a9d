package io.lakehouse.events;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IsoTimeTest {
    private static long timestamp(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return IsoTime.timestamp(bytes, 0, bytes.length);
    }

    @Test
    void everyDayOfTenMillenniaIsTheOneOfJavaTime() {
        LocalDate last = LocalDate.of(9999, 12, 31);
        for (LocalDate day = LocalDate.of(1, 1, 1); day.isBefore(last); day = day.plusDays(1)) {
            byte[] text = day.toString().getBytes(StandardCharsets.UTF_8);
            assertThat(IsoTime.date(text, 0, text.length)).as("%s", day).isEqualTo(day.toEpochDay());
        }
    }

    @Test
    void everyTimestampIsTheOneOfJavaTime() {
        Random random = new Random(1);
        for (int i = 0; i < 100_000; i++) {
            Instant instant = Instant.ofEpochSecond(
                    random.nextLong(-62_000_000_000L, 253_000_000_000L), random.nextInt(1_000_000) * 1000L);
            ZoneOffset offset = ZoneOffset.ofTotalSeconds((random.nextInt(2161) - 1080) * 60);
            String text = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSSXXX")
                    .format(OffsetDateTime.ofInstant(instant, offset));
            long micros = instant.getEpochSecond() * 1_000_000 + instant.getNano() / 1000;
            assertThat(timestamp(text)).as(text).isEqualTo(micros);
        }
    }

    @Test
    void theFirstAndTheLastMomentOfTheYearsWithFourDigitsAreTimestamps() {
        for (String text : new String[] {"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59+01:00"}) {
            assertThat(timestamp(text))
                    .as(text)
                    .isEqualTo(OffsetDateTime.parse(text).toEpochSecond() * 1_000_000);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "2026-02-29T00:00:00Z",
                "1900-02-29T00:00:00Z",
                "0000-01-01T00:00:00Z",
                "2026-00-01T00:00:00Z",
                "2026-01-00T00:00:00Z",
                "2026-01-01T24:00:00Z",
                "2026-01-01T00:00:60Z",
                "2026-01-01T00:00:00+18:01",
                "2026-01-01T00:00:00+02:60",
                "2026-01-01T00:00:00+0",
                "2026-01-01T00:00:00+020",
                "2026-01-01T00:00:00+02:0",
                "2026-01-01T00:00:00ZZ",
                "2026-01-01T00:00:00.1234567890",
                "2026-01-01T00:00:00.",
                "2026-01-01T00:00:0é",
                "2026-01-01X00:00:00",
                "9999-12-31T23:30:00-01:00",
                "0001-01-01T00:30:00+01:00",
            })
    void whatIsNoTimestampIsInvalid(String text) {
        assertThat(timestamp(text)).isEqualTo(IsoTime.INVALID);
    }
}
