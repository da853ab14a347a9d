package io.lakehouse.delta.storage;

import java.io.InputStream;
import java.net.URI;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.auth.AuthenticationType;
import org.gaul.s3proxy.blobstore.BlobStore;
import org.gaul.s3proxy.blobstore.ForwardingBlobStore;
import org.gaul.s3proxy.blobstore.domain.MultipartUpload;
import org.gaul.s3proxy.nio2blob.TransientNio2BlobStore;
import software.amazon.awssdk.services.s3.model.CreateMultipartUploadRequest;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.PutObjectResponse;
import software.amazon.awssdk.services.s3.model.S3Exception;

/** An S3 server in this process, in memory, whose answers to commits can be slowed down or lost. */
public final class S3Server implements AutoCloseable {

    private static final String ANY_KEY = "test-only";

    /** Of its own, because Hadoop keeps one client a bucket for the life of the process. */
    private final String bucket = "lake-" + UUID.randomUUID();

    private final S3Proxy proxy;
    private final AtomicInteger answersToLose = new AtomicInteger();
    private volatile long commitDelayMillis;
    private volatile boolean partsRefused;

    public S3Server() throws Exception {
        BlobStore objects = new TransientNio2BlobStore();
        objects.createContainer(bucket);
        proxy = S3Proxy.builder()
                .blobStore(new Disturbed(objects))
                .endpoint(URI.create("http://127.0.0.1:0"))
                .awsAuthentication(AuthenticationType.NONE, null, null)
                .build();
        proxy.start();
    }

    private final class Disturbed extends ForwardingBlobStore {

        Disturbed(BlobStore objects) {
            super(objects);
        }

        @Override
        public PutObjectResponse putBlob(PutObjectRequest request, InputStream content) {
            if (!request.key().contains("_delta_log/")) {
                return super.putBlob(request, content);
            }
            pause();
            PutObjectResponse response = super.putBlob(request, content);
            if (answersToLose.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                throw new IllegalStateException("The answer is lost, after the object was stored");
            }
            return response;
        }

        @Override
        public MultipartUpload initiateMultipartUpload(CreateMultipartUploadRequest request) {
            if (partsRefused) {
                throw S3Exception.builder()
                        .statusCode(403)
                        .message("No uploads in parts")
                        .build();
            }
            return super.initiateMultipartUpload(request);
        }

        private void pause() {
            try {
                Thread.sleep(commitDelayMillis);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Widens the gap between the decision to commit and the commit, in which other writers come. */
    public void delayCommits(long millis) {
        commitDelayMillis = millis;
    }

    /** The next so many commits take effect, but the client gets an error for them. */
    public void loseAnswers(int count) {
        answersToLose.set(count);
    }

    /** While {@code refused}, an object larger than a part fails in the midst of being written. */
    public void refuseParts(boolean refused) {
        partsRefused = refused;
    }

    public String bucket() {
        return bucket;
    }

    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + proxy.getPort());
    }

    /** Hadoop options that reach this server. */
    public Map<String, String> hadoopOptions() {
        return Map.of(
                "fs.s3a.endpoint",
                endpoint().toString(),
                "fs.s3a.endpoint.region",
                "us-east-1",
                "fs.s3a.path.style.access",
                "true",
                "fs.s3a.connection.ssl.enabled",
                "false",
                "fs.s3a.access.key",
                ANY_KEY,
                "fs.s3a.secret.key",
                ANY_KEY);
    }

    @Override
    public void close() throws Exception {
        proxy.stop();
    }
}
