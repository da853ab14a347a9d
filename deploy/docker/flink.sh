#!/bin/sh
# Puts the jobs, and what they need for S3, beside Flink's own classes: flink.sh JARS FLINK_HOME.
#
# A cluster runs one job, so its classes are the cluster's, as they are locally.
set -eu

jars=$1
flink=$2

[ -d "$flink/lib" ] || { echo "$flink has no lib/: it is no distribution of Flink" >&2; exit 66; }
# One name, whatever the version: what is rendered refers to it.
cp "$jars"/flink/flink-jobs-*.jar "$flink/lib/flink-jobs.jar"
[ ! -d "$jars/s3" ] || cp "$jars"/s3/*.jar "$flink/lib/"
