# Dagster, dbt and the command line. Build it in the project's directory: docker build -f deploy/docker/dagster.Dockerfile .
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY requirements-bootstrap.txt pyproject.toml README.md ./
COPY deploy/docker deploy/docker
COPY deploy/flink deploy/flink
COPY platform platform
COPY streaming streaming
COPY dbt dbt
RUN deploy/docker/files.sh /opt/lakehouse \
    && deploy/docker/python.sh deploy/docker/dagster.lock /opt/lakehouse \
    && deploy/docker/manifest.sh /opt/lakehouse

FROM ${PYTHON}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /tmp lakehouse \
    && mkdir -p /var/lib/lakehouse /opt/dagster/home \
    && chown 10001:10001 /var/lib/lakehouse
COPY --from=build /opt/lakehouse /opt/lakehouse
COPY deploy/docker/dagster-entrypoint.sh /opt/lakehouse/entrypoint.sh
ENV PATH=/opt/lakehouse/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LAKEHOUSE_HOME=/opt/lakehouse \
    LAKEHOUSE_STATE_DIR=/var/lib/lakehouse
WORKDIR /opt/lakehouse
USER 10001:10001
ENTRYPOINT ["/opt/lakehouse/entrypoint.sh"]
CMD ["lakehouse", "--help"]
