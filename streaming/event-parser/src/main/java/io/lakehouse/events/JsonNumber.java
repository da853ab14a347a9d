package io.lakehouse.events;

import java.nio.charset.StandardCharsets;

/** Numbers of a scanned JSON message. */
final class JsonNumber {
    /** As many digits as always fit a long. */
    private static final int SAFE_DIGITS = 18;
    /** A double holds these powers of ten and all integers below 2^53 exactly, so that their quotient is rounded once. */
    private static final double[] EXACT_POWERS = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
    };

    private JsonNumber() {}

    /** Whether the integer lies between -2^63 and 2^63 - 1. */
    static boolean fitsLong(byte[] json, int start, int end) {
        int digits = json[start] == '-' ? end - start - 1 : end - start;
        if (digits <= SAFE_DIGITS) {
            return true;
        }
        if (digits > SAFE_DIGITS + 1) {
            return false;
        }
        try {
            Long.parseLong(new String(json, start, end - start, StandardCharsets.US_ASCII));
            return true;
        } catch (NumberFormatException error) {
            return false;
        }
    }

    /** The integer, which has to fit. */
    static long integer(byte[] json, int start, int end) {
        boolean negative = json[start] == '-';
        long number = 0;
        // Downwards, for the smallest long has no positive counterpart.
        for (int at = negative ? start + 1 : start; at < end; at++) {
            number = number * 10 - (json[at] - '0');
        }
        return negative ? number : -number;
    }

    /** The double nearest to the number, infinite where it is too large. */
    static double decimal(byte[] json, int start, int end) {
        int at = json[start] == '-' ? start + 1 : start;
        long mantissa = 0;
        int fraction = -1;
        boolean simple = end - at < EXACT_POWERS.length;
        for (int i = at; simple && i < end; i++) {
            if (json[i] == '.') {
                fraction = 0;
            } else if (json[i] >= '0' && json[i] <= '9') {
                mantissa = mantissa * 10 + json[i] - '0';
                fraction += fraction < 0 ? 0 : 1;
            } else {
                simple = false;
            }
        }
        if (!simple) {
            return Double.parseDouble(new String(json, start, end - start, StandardCharsets.US_ASCII));
        }
        double number = mantissa / EXACT_POWERS[Math.max(fraction, 0)];
        return json[start] == '-' ? -number : number;
    }
}
