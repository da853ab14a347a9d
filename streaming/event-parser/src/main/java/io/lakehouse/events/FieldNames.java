package io.lakehouse.events;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** Finds the index of a field by the bytes of its name. */
final class FieldNames {
    private final byte[][] names;

    FieldNames(List<String> names) {
        this.names = names.stream()
                .map(name -> name.getBytes(StandardCharsets.UTF_8))
                .toArray(byte[][]::new);
    }

    int size() {
        return names.length;
    }

    /** The index of the name, -1 where there is none; {@code guess} is looked at first. */
    int find(byte[] json, int start, int length, int guess) {
        if (guess >= 0 && guess < names.length && isAt(guess, json, start, length)) {
            return guess;
        }
        for (int index = 0; index < names.length; index++) {
            if (isAt(index, json, start, length)) {
                return index;
            }
        }
        return -1;
    }

    int find(byte[] name) {
        return find(name, 0, name.length, -1);
    }

    private boolean isAt(int index, byte[] json, int start, int length) {
        byte[] name = names[index];
        return name.length == length && Arrays.equals(name, 0, length, json, start, start + length);
    }
}
