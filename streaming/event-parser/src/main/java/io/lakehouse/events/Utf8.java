package io.lakehouse.events;

/** Whether bytes are well-formed UTF-8: The Unicode Standard, table 3-7. */
final class Utf8 {
    private Utf8() {}

    static boolean isValid(byte[] bytes, int start, int end) {
        int at = start;
        while (at < end) {
            int lead = bytes[at++];
            if (lead >= 0) {
                continue;
            }
            int more;
            int smallest = 0x80;
            int largest = 0xBF;
            lead &= 0xFF;
            if (lead >= 0xC2 && lead <= 0xDF) {
                more = 1;
            } else if (lead >= 0xE0 && lead <= 0xEF) {
                more = 2;
                // No overlong forms, no surrogates.
                smallest = lead == 0xE0 ? 0xA0 : 0x80;
                largest = lead == 0xED ? 0x9F : 0xBF;
            } else if (lead >= 0xF0 && lead <= 0xF4) {
                more = 3;
                smallest = lead == 0xF0 ? 0x90 : 0x80;
                largest = lead == 0xF4 ? 0x8F : 0xBF;
            } else {
                return false;
            }
            for (int i = 0; i < more; i++) {
                int next = at < end ? bytes[at++] & 0xFF : 0;
                if (next < smallest || next > largest) {
                    return false;
                }
                smallest = 0x80;
                largest = 0xBF;
            }
        }
        return true;
    }
}
