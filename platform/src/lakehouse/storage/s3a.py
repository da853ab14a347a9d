"""How Hadoop's S3A, which Spark and Flink reach S3 through, finds what delta-rs finds by the environment."""

import os
from collections.abc import Mapping

#: Looks where delta-rs does: the environment, a web identity (Kubernetes), the machine's role.
_CREDENTIALS = "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"


def s3a_options(*locations: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Options of Hadoop's configuration for ``locations``; none where all are on local disk.

    ``environment`` is that of the process they are for: this one's, or what a pod will have.
    No credentials are among them, so they may be logged and handed on: these S3A takes from the environment of its own
    process.
    """
    if not any(location.startswith(("s3://", "s3a://")) for location in locations):
        return {}
    environment = os.environ if environment is None else environment
    options = {"fs.s3a.aws.credentials.provider": _CREDENTIALS}
    if endpoint := environment.get("AWS_ENDPOINT_URL"):
        # A store of one's own rarely resolves bucket.host names.
        options |= {"fs.s3a.endpoint": endpoint, "fs.s3a.path.style.access": "true"}
    if region := environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"):
        options["fs.s3a.endpoint.region"] = region
    return options
