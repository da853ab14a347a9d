#!/bin/sh
# Copies the sets of jars that Spark runs: spark-jars.sh FROM TO SPARK_JARS.
#
# All that `make setup` has put into FROM but those of the broker, of Flink and of tests. What Spark ships itself, in a version
# of its own, stays the one: the JVM would find ours first.
set -eu

from=$1
to=$2
spark=$3

[ -d "$from/spark" ] || { echo "no jars in $from/spark: run 'make setup' first" >&2; exit 66; }
shipped=$(mktemp)
trap 'rm -f "$shipped"' EXIT
artifact() { basename "$1" .jar | sed 's/-[0-9].*//'; }
for jar in "$spark"/*.jar; do artifact "$jar"; done > "$shipped"

for set in "$from"/*/; do
	name=$(basename "$set")
	case "$name" in kafka | flink | s3proxy) continue ;; esac
	mkdir -p "$to/$name"
	for jar in "$set"*.jar; do
		grep -qx "$(artifact "$jar")" "$shipped" || cp "$jar" "$to/$name/"
	done
done
