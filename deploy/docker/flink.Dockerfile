# Flink's JobManagers and TaskManagers, with the jobs. Build it after `make setup`, in the project's directory:
# docker build -f deploy/docker/flink.Dockerfile .
ARG FLINK=flink:2.3.0-java17

FROM ${FLINK}
USER 0:0
RUN --mount=type=bind,source=deploy/docker/flink.sh,target=/flink.sh \
    --mount=type=bind,source=.lakehouse/jars,target=/jars \
    /flink.sh /jars /opt/flink \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp lakehouse \
    && mkdir -p /var/lib/lakehouse \
    && chown 10001:10001 /var/lib/lakehouse
COPY streaming/flink/sql /opt/lakehouse/streaming/flink/sql
USER 10001:10001
