package io.lakehouse.events;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Strings of a scanned JSON message as text. */
final class JsonText {
    /** As many characters of a value as a reason shows. */
    private static final int SHOWN = 100;

    private JsonText() {}

    /** The UTF-8 of the string between {@code start} and {@code end}, whose escapes are known to be right. */
    static byte[] unescape(byte[] json, int start, int end) {
        ByteArrayOutputStream text = new ByteArrayOutputStream(end - start);
        int at = start;
        while (at < end) {
            byte next = json[at++];
            if (next != '\\') {
                text.write(next);
                continue;
            }
            byte code = json[at++];
            if (code == 'u') {
                StringBuilder units = new StringBuilder(2).append(unit(json, at));
                at += 4;
                if (Character.isHighSurrogate(units.charAt(0))) {
                    // Its other half follows as an escape, or the scanner has refused the message.
                    units.append(unit(json, at + 2));
                    at += 6;
                }
                text.writeBytes(units.toString().getBytes(StandardCharsets.UTF_8));
            } else {
                text.write(plain(code));
            }
        }
        return text.toByteArray();
    }

    private static char unit(byte[] json, int at) {
        int unit = 0;
        for (int i = 0; i < 4; i++) {
            unit = unit << 4 | Character.digit(json[at + i], 16);
        }
        return (char) unit;
    }

    private static int plain(byte code) {
        return switch (code) {
            case 'b' -> '\b';
            case 'f' -> '\f';
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            default -> code;
        };
    }

    /** The JSON between {@code start} and {@code end} as it stands, cut where it is long. */
    static String shown(byte[] json, int start, int end) {
        // A character has at most four bytes; what is cut within one shows as a replacement character, or not at all.
        int enough = Math.min(end, start + 4 * SHOWN);
        String text = new String(json, start, enough - start, StandardCharsets.UTF_8);
        return text.codePointCount(0, text.length()) > SHOWN
                ? text.substring(0, text.offsetByCodePoints(0, SHOWN))
                : text;
    }
}
