package io.lakehouse.flink.delta.internal.commit;

import java.io.IOException;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** The sink's progress in checkpoints. */
final class ProgressSerializer implements SimpleVersionedSerializer<Progress> {

    private static final int VERSION = 1;

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(Progress progress) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(64);
        DataFileSerializer.writeString(progress.appId(), out);
        out.writeLong(progress.checkpoint());
        out.writeLong(progress.token());
        return out.getCopyOfBuffer();
    }

    @Override
    public Progress deserialize(int version, byte[] serialized) throws IOException {
        DataFileSerializer.checkVersion(version, VERSION);
        DataInputDeserializer in = new DataInputDeserializer(serialized);
        return new Progress(DataFileSerializer.readString(in), in.readLong(), in.readLong());
    }
}
