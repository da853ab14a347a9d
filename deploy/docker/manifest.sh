#!/bin/sh
# Parses the dbt project once and for all: manifest.sh HOME. Each run is a pod of its own, and would parse it anew.
set -eu

home=$1

LAKEHOUSE_HOME=$home LAKEHOUSE_STATE_DIR=$home/seed "$home/venv/bin/python" -c '
from lakehouse.dbt_delta.manifest import current_manifest
from lakehouse.settings import load_settings
print(current_manifest(load_settings()))'
rm -rf "$home/seed/logs"
