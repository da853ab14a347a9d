package io.lakehouse.events;

import java.util.Arrays;

/**
 * Checks that bytes are one JSON object (RFC 8259), and finds where the fields that are asked for stand in it.
 *
 * <p>One pass and no allocation. Every byte is held against the grammar, those of fields that nobody asked for too:
 * Spark's and Jackson's readers stop at the end of the first object. Of a name given twice the last one counts.
 */
final class JsonScanner {
    /** As deep as Jackson goes. */
    private static final int DEEPEST = 1000;

    private final FieldNames names;
    private final JsonKind[] kinds;
    private final int[] starts;
    private final int[] ends;
    private final boolean[] objects = new boolean[DEEPEST];

    private byte[] json;
    private int at;
    private int end;
    private boolean highBytes;
    private boolean loneSurrogate;
    private boolean escaped;

    JsonScanner(FieldNames names) {
        this.names = names;
        kinds = new JsonKind[names.size()];
        starts = new int[names.size()];
        ends = new int[names.size()];
    }

    /** Scans the message; returns why it is no event at all, as `code: detail`, null where it is an object. */
    String scan(byte[] bytes, int start, int length) {
        json = bytes;
        at = start;
        end = start + length;
        highBytes = false;
        loneSurrogate = false;
        Arrays.fill(kinds, JsonKind.NONE);
        try {
            skipBlanks();
            if (at == end || json[at] != '{') {
                return broken(bytes, start, "not a JSON object");
            }
            at++;
            members();
            skipBlanks();
        } catch (NotJsonException error) {
            return broken(bytes, start, "not JSON, from byte " + (at - start) + " on");
        }
        if (at < end) {
            return broken(bytes, start, "more than one JSON value");
        }
        if (highBytes && !Utf8.isValid(bytes, start, end)) {
            return Reasons.NOT_UTF8;
        }
        return loneSurrogate ? Reasons.LONE_SURROGATE : null;
    }

    /** What stands in field {@code index}. */
    JsonKind kind(int index) {
        return kinds[index];
    }

    /** Where the value of field {@code index} begins; of a string, behind its quote. */
    int start(int index) {
        return starts[index];
    }

    /** Where the value of field {@code index} ends; of a string, before its quote. */
    int end(int index) {
        return ends[index];
    }

    private String broken(byte[] bytes, int start, String detail) {
        for (int i = start; i < end; i++) {
            if (!Character.isWhitespace(bytes[i])) {
                return Utf8.isValid(bytes, start, end) ? "invalid_json: " + detail : Reasons.NOT_UTF8;
            }
        }
        return Reasons.EMPTY;
    }

    private void members() {
        skipBlanks();
        if (peek() == '}') {
            at++;
            return;
        }
        int expected = 0;
        while (true) {
            int field = name(expected);
            value(field);
            // Fields mostly come in the contract's order.
            expected = field + 1;
            if (comma('}')) {
                return;
            }
        }
    }

    /** Reads a name and its colon; returns the index of its field, -1 for one that nobody asked for. */
    private int name(int expected) {
        int start = openedString();
        int stop = at - 1;
        int field = -1;
        if (!escaped) {
            field = names.find(json, start, stop - start, expected);
        } else if (!loneSurrogate) {
            field = names.find(JsonText.unescape(json, start, stop));
        }
        colon();
        return field;
    }

    private void colon() {
        skipBlanks();
        expect(':');
        skipBlanks();
    }

    private void value(int field) {
        int start = at;
        JsonKind kind = scalar();
        if (kind == JsonKind.CONTAINER) {
            container();
        }
        if (field >= 0) {
            boolean string = kind == JsonKind.STRING || kind == JsonKind.ESCAPED;
            kinds[field] = kind;
            starts[field] = string ? start + 1 : start;
            ends[field] = string ? at - 1 : at;
        }
    }

    /** Reads a value that holds no others; of a container nothing yet. */
    private JsonKind scalar() {
        switch (peek()) {
            case '"':
                openedString();
                return escaped ? JsonKind.ESCAPED : JsonKind.STRING;
            case '{', '[':
                return JsonKind.CONTAINER;
            case 't':
                word("true");
                return JsonKind.TRUE;
            case 'f':
                word("false");
                return JsonKind.FALSE;
            case 'n':
                word("null");
                return JsonKind.NONE;
            default:
                return number();
        }
    }

    /** Reads an object or an array to its end, without recursion: a message must not overflow the stack. */
    private void container() {
        int depth = 0;
        boolean opened = open(depth);
        while (true) {
            char close = objects[depth] ? '}' : ']';
            skipBlanks();
            boolean closed = opened && peek() == close;
            if (closed) {
                at++;
            } else {
                if (objects[depth]) {
                    openedString();
                    colon();
                }
                if (scalar() == JsonKind.CONTAINER) {
                    opened = open(++depth);
                    continue;
                }
                closed = comma(close);
            }
            while (closed) {
                if (depth-- == 0) {
                    return;
                }
                closed = comma(objects[depth] ? '}' : ']');
            }
            opened = false;
        }
    }

    private boolean open(int depth) {
        if (depth == DEEPEST) {
            throw NotJsonException.INSTANCE;
        }
        objects[depth] = json[at++] == '{';
        return true;
    }

    /** Reads what follows a value: a comma, or {@code close}, for which it returns true. */
    private boolean comma(char close) {
        skipBlanks();
        byte next = peek();
        at++;
        if (next == close) {
            return true;
        }
        if (next != ',') {
            at--;
            throw NotJsonException.INSTANCE;
        }
        skipBlanks();
        return false;
    }

    /** Reads a string with both its quotes; returns where its content begins. */
    private int openedString() {
        expect('"');
        int start = at;
        escaped = false;
        while (true) {
            byte next = peek();
            at++;
            if (next == '"') {
                return start;
            }
            if (next == '\\') {
                escaped = true;
                escape();
            } else if (next < ' ') {
                if (next >= 0) {
                    throw NotJsonException.INSTANCE;
                }
                highBytes = true;
            }
        }
    }

    private void escape() {
        byte code = peek();
        at++;
        if (code != 'u') {
            if ("\"\\/bfnrt".indexOf(code) < 0) {
                throw NotJsonException.INSTANCE;
            }
            return;
        }
        int unit = fourHexDigits();
        if (unit < Character.MIN_SURROGATE || unit > Character.MAX_SURROGATE) {
            return;
        }
        boolean pair =
                Character.isHighSurrogate((char) unit) && at + 1 < end && json[at] == '\\' && json[at + 1] == 'u';
        if (!pair) {
            loneSurrogate = true;
            return;
        }
        int back = at;
        at += 2;
        if (!Character.isLowSurrogate((char) fourHexDigits())) {
            // The second escape may begin a pair of its own.
            loneSurrogate = true;
            at = back;
        }
    }

    private int fourHexDigits() {
        int unit = 0;
        for (int i = 0; i < 4; i++) {
            int digit = Character.digit(peek(), 16);
            if (digit < 0) {
                throw NotJsonException.INSTANCE;
            }
            at++;
            unit = unit << 4 | digit;
        }
        return unit;
    }

    private JsonKind number() {
        JsonKind kind = JsonKind.INTEGER;
        if (peek() == '-') {
            at++;
        }
        if (peek() == '0') {
            at++;
        } else {
            digits();
        }
        if (at < end && json[at] == '.') {
            at++;
            digits();
            kind = JsonKind.DECIMAL;
        }
        if (at < end && (json[at] | 0x20) == 'e') {
            at++;
            if (peek() == '+' || peek() == '-') {
                at++;
            }
            digits();
            kind = JsonKind.DECIMAL;
        }
        return kind;
    }

    private void digits() {
        int start = at;
        while (at < end && json[at] >= '0' && json[at] <= '9') {
            at++;
        }
        if (at == start) {
            throw NotJsonException.INSTANCE;
        }
    }

    private void word(String word) {
        for (int i = 0; i < word.length(); i++) {
            expect(word.charAt(i));
        }
    }

    private void expect(char wanted) {
        if (peek() != wanted) {
            throw NotJsonException.INSTANCE;
        }
        at++;
    }

    private byte peek() {
        if (at >= end) {
            throw NotJsonException.INSTANCE;
        }
        return json[at];
    }

    private void skipBlanks() {
        while (at < end && (json[at] == ' ' || json[at] == '\n' || json[at] == '\r' || json[at] == '\t')) {
            at++;
        }
    }

    /** Carries no stack: it is thrown for every message that is no JSON, and always caught above. */
    private static final class NotJsonException extends RuntimeException {
        static final NotJsonException INSTANCE = new NotJsonException();

        private NotJsonException() {
            super("not JSON", null, false, false);
        }
    }
}
