# Spark's drivers and executors, and the runs of Dagster that start Spark. Build it after `make setup`, in the project's directory:
# docker build -f deploy/docker/spark.Dockerfile .
ARG PYTHON=python:3.11.14-slim-bookworm

FROM ${PYTHON} AS build
WORKDIR /src
COPY requirements-bootstrap.txt pyproject.toml README.md ./
COPY deploy/docker deploy/docker
COPY deploy/flink deploy/flink
COPY platform platform
COPY streaming streaming
COPY dbt dbt
COPY .lakehouse/jars jars
RUN deploy/docker/files.sh /opt/lakehouse \
    && deploy/docker/python.sh deploy/docker/spark.lock /opt/lakehouse \
    && deploy/docker/spark-jars.sh jars /opt/lakehouse/jars \
       /opt/lakehouse/venv/lib/python3.11/site-packages/pyspark/jars \
    && deploy/docker/manifest.sh /opt/lakehouse

FROM ${PYTHON}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp lakehouse \
    && ln -s /opt/lakehouse/venv/lib/python3.11/site-packages/pyspark /opt/spark \
    && mkdir -p /var/lib/lakehouse /opt/dagster/home \
    && ln -s /opt/lakehouse/jars /var/lib/lakehouse/jars \
    && chown 10001:10001 /var/lib/lakehouse
COPY --from=build /opt/lakehouse /opt/lakehouse
COPY deploy/docker/dagster-entrypoint.sh deploy/docker/spark-entrypoint.sh deploy/docker/spark_application.py /opt/lakehouse/
ENV PATH=/opt/lakehouse/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    SPARK_HOME=/opt/lakehouse/venv/lib/python3.11/site-packages/pyspark \
    LAKEHOUSE_HOME=/opt/lakehouse \
    LAKEHOUSE_STATE_DIR=/var/lib/lakehouse
WORKDIR /opt/lakehouse
USER 10001:10001
ENTRYPOINT ["tini", "-s", "--", "/opt/lakehouse/spark-entrypoint.sh"]
