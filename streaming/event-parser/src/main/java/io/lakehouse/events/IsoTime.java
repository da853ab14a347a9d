package io.lakehouse.events;

/**
 * Dates and timestamps of ISO 8601, in the one shape that contracts allow: {@code 2026-01-31} and {@code
 * 2026-01-31T12:34:56.789Z} (a space for the T; up to nine digits of a second, of which six are kept; an offset of at
 * most 18 hours as +02, +0200 or +02:00, or none for UTC).
 */
final class IsoTime {
    /** What is no date or timestamp. No time that can be written is as far away. */
    static final long INVALID = Long.MIN_VALUE;

    private static final int DATE_LENGTH = 10;
    private static final int TIME_LENGTH = 19;
    private static final long MICROS_PER_SECOND = 1_000_000;
    /** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: years of four digits, for an offset may lead out of them. */
    private static final long FIRST_SECOND = -62_135_596_800L;

    private static final long LAST_SECOND = 253_402_300_799L;
    private static final int[] DAYS_BEFORE_MONTH = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    private static final int[] DAYS_OF_MONTH = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    private IsoTime() {}

    /** Days since 1970-01-01, or INVALID. */
    static long date(byte[] text, int start, int end) {
        return end - start == DATE_LENGTH ? day(text, start) : INVALID;
    }

    /** Microseconds since 1970-01-01T00:00:00Z, or INVALID. */
    static long timestamp(byte[] text, int start, int end) {
        if (end - start < TIME_LENGTH) {
            return INVALID;
        }
        long day = day(text, start);
        int time = start + DATE_LENGTH;
        int hour = twoDigits(text, time + 1, 23);
        int minute = twoDigits(text, time + 4, 59);
        int second = twoDigits(text, time + 7, 59);
        boolean shaped = (text[time] == 'T' || text[time] == ' ') && text[time + 3] == ':' && text[time + 6] == ':';
        if (!shaped || day == INVALID || hour < 0 || minute < 0 || second < 0) {
            return INVALID;
        }
        int at = start + TIME_LENGTH;
        long micros = 0;
        if (at < end && text[at] == '.') {
            int first = ++at;
            long unit = MICROS_PER_SECOND;
            while (at < end && isDigit(text[at])) {
                unit /= 10;
                micros += (text[at++] - '0') * unit;
            }
            if (at == first || at - first > 9) {
                return INVALID;
            }
        }
        long offset = offsetSeconds(text, at, end);
        if (offset == INVALID) {
            return INVALID;
        }
        long seconds = ((day * 24 + hour) * 60 + minute) * 60 + second - offset;
        return seconds < FIRST_SECOND || seconds > LAST_SECOND ? INVALID : seconds * MICROS_PER_SECOND + micros;
    }

    /** What has to be taken off local time to have UTC. */
    private static long offsetSeconds(byte[] text, int at, int end) {
        if (at == end || (at + 1 == end && text[at] == 'Z')) {
            return 0;
        }
        int length = end - at;
        boolean colon = length == 6 && text[at + 3] == ':';
        if ((text[at] != '+' && text[at] != '-') || !(length == 3 || length == 5 || colon)) {
            return INVALID;
        }
        int hours = twoDigits(text, at + 1, 18);
        int minutes = length == 3 ? 0 : twoDigits(text, end - 2, 59);
        if (hours < 0 || minutes < 0 || (hours == 18 && minutes > 0)) {
            return INVALID;
        }
        long seconds = (hours * 60L + minutes) * 60;
        return text[at] == '-' ? -seconds : seconds;
    }

    private static long day(byte[] text, int start) {
        int century = twoDigits(text, start, 99);
        int rest = twoDigits(text, start + 2, 99);
        int month = twoDigits(text, start + 5, 12);
        int day = twoDigits(text, start + 8, 31);
        boolean shaped = text[start + 4] == '-' && text[start + 7] == '-';
        // The year 0 is written by nobody and read by few: Python and many databases begin with 1.
        if (!shaped || century < 0 || rest < 0 || century + rest == 0 || month < 1 || day < 1) {
            return INVALID;
        }
        int year = century * 100 + rest;
        boolean leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        if (day > DAYS_OF_MONTH[month - 1] + (leap && month == 2 ? 1 : 0)) {
            return INVALID;
        }
        int before = year - 1;
        long daysToYear = 365L * before + before / 4 - before / 100 + before / 400;
        long dayOfYear = DAYS_BEFORE_MONTH[month - 1] + (leap && month > 2 ? 1 : 0) + day - 1;
        // 719,162 days from 0001-01-01 to 1970-01-01.
        return daysToYear + dayOfYear - 719_162;
    }

    /** The number, -1 where it is none or above {@code largest}. */
    private static int twoDigits(byte[] text, int at, int largest) {
        if (!isDigit(text[at]) || !isDigit(text[at + 1])) {
            return -1;
        }
        int number = (text[at] - '0') * 10 + text[at + 1] - '0';
        return number <= largest ? number : -1;
    }

    private static boolean isDigit(byte character) {
        return character >= '0' && character <= '9';
    }
}
