package io.lakehouse.flink.delta.internal.commit;

import io.lakehouse.flink.delta.internal.parquet.DataFile;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.core.memory.DataOutputView;

/** Data files on their way from the writers to the commit, and in checkpoints. */
public final class DataFileSerializer implements SimpleVersionedSerializer<DataFile> {

    static final int VERSION = 1;

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(DataFile file) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(256);
        write(file, out);
        return out.getCopyOfBuffer();
    }

    @Override
    public DataFile deserialize(int version, byte[] serialized) throws IOException {
        checkVersion(version, VERSION);
        return read(new DataInputDeserializer(serialized));
    }

    static void checkVersion(int found, int known) throws IOException {
        if (found != known) {
            throw new IOException("The state has format %d, this sink knows format %d. Restore it with the version of"
                            .formatted(found, known)
                    + " the sink that wrote it.");
        }
    }

    static void write(DataFile file, DataOutputView out) throws IOException {
        writeString(file.path(), out);
        out.writeLong(file.size());
        out.writeLong(file.modificationTime());
        out.writeLong(file.rows());
        out.writeInt(file.partition().size());
        for (Object value : file.partition()) {
            writeValue(value, out);
        }
        writeString(file.statistics(), out);
    }

    static DataFile read(DataInputView in) throws IOException {
        String path = readString(in);
        long size = in.readLong();
        long modificationTime = in.readLong();
        long rows = in.readLong();
        List<Object> partition = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            partition.add(readValue(in));
        }
        return new DataFile(
                path, size, modificationTime, rows, Collections.unmodifiableList(partition), readString(in));
    }

    /** Not {@code writeUTF}, which ends at 64 KB: statistics of wide tables are longer. */
    static void writeString(String value, DataOutputView out) throws IOException {
        byte[] bytes = value.getBytes(StandardCharsets.UTF_8);
        out.writeInt(bytes.length);
        out.write(bytes);
    }

    static String readString(DataInputView in) throws IOException {
        byte[] bytes = new byte[in.readInt()];
        in.readFully(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    private static void writeValue(Object value, DataOutputView out) throws IOException {
        if (value == null) {
            out.writeByte('0');
        } else if (value instanceof Boolean v) {
            out.writeByte('Z');
            out.writeBoolean(v);
        } else if (value instanceof Byte v) {
            out.writeByte('B');
            out.writeByte(v);
        } else if (value instanceof Short v) {
            out.writeByte('S');
            out.writeShort(v);
        } else if (value instanceof Integer v) {
            out.writeByte('I');
            out.writeInt(v);
        } else if (value instanceof Long v) {
            out.writeByte('J');
            out.writeLong(v);
        } else if (value instanceof Float v) {
            out.writeByte('F');
            out.writeFloat(v);
        } else if (value instanceof Double v) {
            out.writeByte('D');
            out.writeDouble(v);
        } else if (value instanceof BigDecimal v) {
            out.writeByte('N');
            byte[] unscaled = v.unscaledValue().toByteArray();
            out.writeInt(v.scale());
            out.writeInt(unscaled.length);
            out.write(unscaled);
        } else if (value instanceof String v) {
            out.writeByte('T');
            writeString(v, out);
        } else {
            throw new IllegalArgumentException("A partition value cannot be of %s; see RecordEncoder.partition for what"
                            .formatted(value.getClass())
                    + " it can be.");
        }
    }

    private static Object readValue(DataInputView in) throws IOException {
        byte type = in.readByte();
        return switch (type) {
            case '0' -> null;
            case 'Z' -> in.readBoolean();
            case 'B' -> in.readByte();
            case 'S' -> in.readShort();
            case 'I' -> in.readInt();
            case 'J' -> in.readLong();
            case 'F' -> in.readFloat();
            case 'D' -> in.readDouble();
            case 'N' -> {
                int scale = in.readInt();
                byte[] unscaled = new byte[in.readInt()];
                in.readFully(unscaled);
                yield new BigDecimal(new BigInteger(unscaled), scale);
            }
            case 'T' -> readString(in);
            default -> throw new IOException("Unknown type of partition value in state: " + (char) type);
        };
    }
}
