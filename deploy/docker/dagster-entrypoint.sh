#!/bin/sh
# Starts a program of Dagster, in its image or in Spark's. The state directory is empty, and all that may be written to.
set -eu

: "${LAKEHOUSE_HOME:?}" "${LAKEHOUSE_STATE_DIR:?}"
mkdir -p "$LAKEHOUSE_STATE_DIR"
# As of now, and so newer than the project's files: it is parsed again only where somebody mounts others.
[ -e "$LAKEHOUSE_STATE_DIR/dbt" ] || cp -R "$LAKEHOUSE_HOME/seed/dbt" "$LAKEHOUSE_STATE_DIR/dbt"
# By default dbt writes what it compiles into its project.
export DBT_TARGET_PATH="$LAKEHOUSE_STATE_DIR/dbt"
# Of Spark's image: a session looks for its jars beside the state.
[ ! -d "$LAKEHOUSE_HOME/jars" ] || ln -sfn "$LAKEHOUSE_HOME/jars" "$LAKEHOUSE_STATE_DIR/jars"
exec "$@"
