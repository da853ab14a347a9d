"""The values of a deployment. One file is read by `lakehouse deploy render` and by the Helm chart alike.

Its defaults stand in the chart's `values.yaml`; the chart's schema is generated from this model, so that both refuse
the same mistakes.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from lakehouse.errors import LakehouseError
from lakehouse.quantity import Quantity
from lakehouse.settings import Settings

CHART = Path("deploy") / "helm" / "lakehouse"
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]
Port = Annotated[int, Field(ge=1, le=65535)]
Image = Annotated[str, Field(pattern=r"^[^\s:@]+(:[0-9]+/[^\s:@]+)?(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$")]
#: Of the settings those that a deployment does not choose: images, chart and pods say them.
_FIXED = {
    *("home", "state_dir", "contracts_dir", "spark_master", "spark_status_host", "spark_status_port"),
    *("dagster_host", "dagster_steps", "exporter_host"),
    *("dagster_spark_image", "dagster_spark_cpu", "dagster_spark_memory"),
}
SECRETS = {name for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
#: Their defaults are places on one machine.
_NEEDED = ("root", "checkpoint_root", "kafka_bootstrap_servers", "postgres_host")


class ValuesError(LakehouseError):
    """The values of a deployment are not what they should be."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Resources(_Part):
    """What a container asks for. Its memory is its limit, too; a limit of cores would only slow it down."""

    cpu: Quantity = Field(description="Cores requested, as 500m or 2")
    memory: Quantity = Field(description="Memory requested, and the limit, as 1Gi")


class Images(_Part):
    """The images that `deploy/docker` builds, by tag or digest: never `latest`, which is another image each time."""

    dagster: Image = Field(description="Dagster, dbt and the command line")
    spark: Image = Field(description="Spark queries, and runs of Dagster that start Spark")
    flink: Image = Field(description="Flink jobs")
    pull_policy: str = Field(pattern="^(Always|IfNotPresent|Never)$")
    pull_secrets: tuple[Name, ...] = Field(description="Secrets of the registry")

    @field_validator("dagster", "spark", "flink")
    @classmethod
    def _fixed(cls, value: str) -> str:
        if value.endswith(":latest"):
            raise ValueError("is another image each time: name a version or a digest")
        return value


class ObjectStore(_Part):
    """Where S3 is, for every pod."""

    endpoint: str = Field(
        pattern=r"^(https?://[^\s/]+)?$", description="Address of a store of one's own, as http://minio:9000; else AWS"
    )
    region: str = Field(pattern=r"^[a-z0-9-]*$", description="Region of the bucket, as eu-central-1")

    def environment(self) -> dict[str, str]:
        """The same as AWS's variables, which all programs read."""
        told = {"AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": self.region}
        return {name: value for name, value in told.items() if value}


class Dagster(_Part):
    """The control plane."""

    webserver_replicas: int = Field(ge=1, description="Webservers; the daemon is always one")
    webserver: Resources
    daemon: Resources
    code_location: Resources
    run: Resources
    spark_run: Resources = Field(
        description="A run or a step that starts Spark itself, in Spark's image: `cluster`, `replay`, models of dbt"
    )
    max_concurrent_runs: int = Field(ge=1, description="Runs at a time, each a Kubernetes Job")


class Exporter(_Part):
    """The exporter of metrics."""

    resources: Resources


class SparkSize(_Part):
    """What the applications of Spark run in. What is left out follows from the contracts."""

    driver: Resources
    executor: Resources
    executors: dict[str, Annotated[int, Field(ge=1)]] = Field(
        description="Executors by `group` of the contracts; else as many as the rates ask for"
    )


class FlinkSize(_Part):
    """What the jobs of Flink run in."""

    job_manager: Resources
    task_manager: Resources
    slots: int = Field(ge=1, description="Subtasks a TaskManager runs")
    high_availability: bool = Field(
        description="Keep what the JobManager knows in ConfigMaps and beside the checkpoints"
    )


class Table(_Part):
    """What one table asks for besides its contract."""

    generation: int = Field(
        default=1,
        ge=1,
        description="Under Flink: one more for a job that begins without state, see `deploy render --anew`",
    )
    suspended: bool = Field(default=False, description="Under Flink: stop the job, with a savepoint")
    task_manager: Resources | None = Field(default=None, description="In place of flink.taskManager")


class NetworkPolicies(_Part):
    """Who may talk to whom. Off where the cluster's network does not know policies."""

    enabled: bool
    kafka_ports: tuple[Port, ...] = Field(
        description="Ports of brokers, besides those in settings.kafka_bootstrap_servers"
    )
    egress_ports: tuple[Port, ...] = Field(
        description="What else pods may open, besides 443 and the ports of names, brokers, Postgres and mail, "
        "as 9000 of an object store, or 80 of what gives pods an identity on EKS"
    )
    ingress_namespaces: tuple[Name, ...] = Field(
        description="Namespaces that may open Dagster's web interface, as that of the ingress controller"
    )
    monitoring_namespaces: tuple[Name, ...] = Field(description="Namespaces that may scrape metrics")


class Monitoring(_Part):
    """Objects of the Prometheus operator."""

    enabled: bool
    labels: dict[str, str] = Field(description="Labels by which Prometheus selects them")


class Values(_Part):
    """The values of a deployment."""

    name: Annotated[Name, Field(max_length=20)] = Field(
        description="What all names of the deployment's objects begin with"
    )
    images: Images
    settings: dict[str, str | int | float | bool] = Field(
        description="Settings by name, see docs/reference/settings.md; none that is secret"
    )
    object_store: ObjectStore
    secret: Name = Field(
        description="A Secret that exists; each key is an environment variable, as LAKEHOUSE_POSTGRES_PASSWORD and "
        "AWS_SECRET_ACCESS_KEY",
    )
    service_account_annotations: dict[str, str] = Field(
        description="For a cloud's identities, in place of keys in the Secret"
    )
    dagster: Dagster
    exporter: Exporter
    spark: SparkSize
    flink: FlinkSize
    tables: dict[str, Table] = Field(description="What a table asks for besides its contract, by table, as raw.orders")
    network_policies: NetworkPolicies
    monitoring: Monitoring

    @field_validator("settings")
    @classmethod
    def _known_settings(cls, value: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        if secret := sorted(SECRETS & value.keys()):
            raise ValueError(f"{', '.join(secret)} belongs into the Secret, as LAKEHOUSE_{secret[0].upper()}")
        if fixed := sorted(_FIXED & value.keys()):
            raise ValueError(f"{', '.join(fixed)} is said by the images and the chart: drop it")
        if unknown := sorted(value.keys() - Settings.model_fields.keys()):
            known = ", ".join(sorted(Settings.model_fields.keys() - _FIXED - SECRETS))
            raise ValueError(f"{', '.join(unknown)} is no setting. Settings: {known}")
        for name in _NEEDED:
            if not value.get(name):
                raise ValueError(f"{name} is missing: its default is a place on one machine")
        for name, example in (("root", "s3://bucket/tables"), ("checkpoint_root", "s3a://bucket/checkpoints")):
            if "://" not in str(value[name]):
                raise ValueError(f"{name} is {value[name]!r}, a path: pods share none, give an address as {example}")
        return value


def load_values(home: Path, files: Sequence[Path]) -> Values:
    """The chart's defaults with ``files`` over them, the last one uppermost. Raises ValuesError."""
    merged: dict[str, Any] = {}
    for file in (home / CHART / "values.yaml", *files):
        try:
            told = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        except (OSError, yaml.YAMLError) as error:
            raise ValuesError(f"the values in {file} cannot be read: {error}") from error
        if not isinstance(told, dict):
            raise ValuesError(f"{file} holds {told!r}, expected keys and values, as {home / CHART / 'values.yaml'}")
        merged = _over(merged, told)
    try:
        return Values.model_validate(merged)
    except ValidationError as error:
        named = ", ".join(str(file) for file in files) or "the chart's own values.yaml"
        lines = [f"  {_told(problem)}" for problem in error.errors()]
        raise ValuesError(
            f"the values of {named} are not valid:\n" + "\n".join(lines) + "\n"
            f"Everything that can be set stands in {home / CHART / 'values.yaml'}."
        ) from error


def values_schema(home: Path) -> dict[Path, str]:
    """The chart's generated schema: its file, and its text."""
    schema = Values.model_json_schema(by_alias=True)
    # Helm itself adds what `global` holds.
    schema["properties"]["global"] = {"type": "object"}
    schema["properties"]["settings"]["required"] = sorted(_NEEDED)
    text = json.dumps({"$comment": "Generated by `lakehouse contracts generate`.", **schema}, indent=2) + "\n"
    return {home / CHART / "values.schema.json": text}


def _told(problem: ErrorDetails) -> str:
    """The path, what is wrong there, and the value, where it is one."""
    found = "" if isinstance(problem["input"], dict | list) else f", found {problem['input']!r}"
    path = ".".join(str(part) for part in problem["loc"])
    return f"{path}: {problem['msg'].removeprefix('Value error, ')}{found}"


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """As Helm lays one file of values over another: keys are merged, lists replaced, null takes a default away."""
    merged = dict(below)
    for key, value in above.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _over(merged[key], value)
        else:
            merged[key] = value
    return merged
