#!/bin/bash
# Starts what Spark asks a container for, in the variables that Spark sets: the driver, or an executor. Or a run of Dagster.
set -euo pipefail

: "${SPARK_HOME:?}"
role=${1:-}
case "$role" in
driver)
	shift
	exec "$SPARK_HOME/bin/spark-submit" \
		--conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
		--deploy-mode client "$@"
	;;
executor)
	# Spark numbers the options of the JVM: SPARK_JAVA_OPT_0, _1, …
	mapfile -t names < <(compgen -v SPARK_JAVA_OPT_ | sort -t_ -k4n)
	options=()
	for name in "${names[@]}"; do options+=("${!name}"); done
	exec java "${options[@]}" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
		-cp "${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}$SPARK_HOME/jars/*" \
		org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
		--driver-url "$SPARK_DRIVER_URL" \
		--executor-id "$SPARK_EXECUTOR_ID" \
		--cores "$SPARK_EXECUTOR_CORES" \
		--app-id "$SPARK_APPLICATION_ID" \
		--hostname "$SPARK_EXECUTOR_POD_IP" \
		--resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
		--podName "$SPARK_EXECUTOR_POD_NAME"
	;;
dagster)
	exec "$(dirname "$0")/dagster-entrypoint.sh" "$@"
	;;
*)
	echo "Spark starts this image as 'driver' or 'executor', and not as '$role': see docs/how-to/deploy.md" >&2
	exit 64
	;;
esac
