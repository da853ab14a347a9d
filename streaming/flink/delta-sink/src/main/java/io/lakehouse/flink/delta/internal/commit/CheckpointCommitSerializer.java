package io.lakehouse.flink.delta.internal.commit;

import io.lakehouse.flink.delta.internal.parquet.DataFile;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/** Commits in checkpoints, where they wait until Flink says that the checkpoint is complete. */
public final class CheckpointCommitSerializer implements SimpleVersionedSerializer<CheckpointCommit> {

    private static final int VERSION = 1;

    @Override
    public int getVersion() {
        return VERSION;
    }

    @Override
    public byte[] serialize(CheckpointCommit commit) throws IOException {
        DataOutputSerializer out = new DataOutputSerializer(256);
        DataFileSerializer.writeString(commit.appId(), out);
        out.writeLong(commit.checkpoint());
        out.writeLong(commit.previous());
        out.writeLong(commit.token());
        out.writeInt(commit.files().size());
        for (DataFile file : commit.files()) {
            DataFileSerializer.write(file, out);
        }
        return out.getCopyOfBuffer();
    }

    @Override
    public CheckpointCommit deserialize(int version, byte[] serialized) throws IOException {
        DataFileSerializer.checkVersion(version, VERSION);
        DataInputDeserializer in = new DataInputDeserializer(serialized);
        String appId = DataFileSerializer.readString(in);
        long checkpoint = in.readLong();
        long previous = in.readLong();
        long token = in.readLong();
        List<DataFile> files = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            files.add(DataFileSerializer.read(in));
        }
        return new CheckpointCommit(appId, checkpoint, previous, token, List.copyOf(files));
    }
}
