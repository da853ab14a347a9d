#!/bin/sh
# Starts a program of the control plane. The state directory is empty, and the only place that may be written to.
set -eu

: "${LAKEHOUSE_HOME:?}" "${LAKEHOUSE_STATE_DIR:?}"
mkdir -p "$LAKEHOUSE_STATE_DIR"
# As of now, and so newer than the project's files: it is parsed again only where somebody mounts others.
[ -e "$LAKEHOUSE_STATE_DIR/dbt" ] || cp -R "$LAKEHOUSE_HOME/seed/dbt" "$LAKEHOUSE_STATE_DIR/dbt"
exec "$@"
