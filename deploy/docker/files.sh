#!/bin/sh
# Copies what an image holds of the project: files.sh HOME. Run it in the project's directory.
set -eu

home=$1

mkdir -p "$home"
# Contracts are mounted from a ConfigMap; these are what a pod without one has.
tar -c --exclude=__pycache__ --exclude=dbt/target --exclude=dbt/logs \
	pyproject.toml README.md platform dbt deploy/flink \
	streaming/contracts streaming/flink/sql streaming/spark/lakehouse_spark | tar -x -C "$home"
