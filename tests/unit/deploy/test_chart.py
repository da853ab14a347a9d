"""The chart: it fits the rendered contracts, and Dagster takes its configuration."""

import re

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.unit.deploy.conftest import CI, EXAMPLES, one

from lakehouse.deploy.values import CHART
from lakehouse.observability.general_alerts import GENERAL
from lakehouse.observability.scraping import prometheus_configuration
from lakehouse.settings import Settings


@pytest.mark.parametrize("example", EXAMPLES)
def test_lint(example):
    helm = pytest.importorskip("helm_python", reason="Helm's library has no wheel for this machine")
    found = helm.lint(REPOSITORY / CHART, yaml.safe_load((CI / f"{example}.yaml").read_text()), strict=True)
    assert found["errors"] == []
    # Severity 1 is advice, as that a chart should have an icon.
    assert [message for message in found["messages"] if message["severity"] > 1] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_rendered_contracts_refer_to_is_in_the_chart(example, rendered, charted):
    accounts = {each["metadata"]["name"] for each in charted[example] if each["kind"] == "ServiceAccount"}
    asked = {each["spec"]["serviceAccount"] for each in rendered[example] if each["kind"] == "FlinkDeployment"}
    asked |= {
        each["spec"]["sparkConf"]["spark.kubernetes.authenticate.driver.serviceAccountName"]
        for each in rendered[example]
        if each["kind"] == "SparkApplication"
    }
    assert len(asked) == 2
    assert asked <= accounts


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_the_chart_refers_to_is_rendered(example, rendered, charted):
    mounted = {
        volume["configMap"]["name"]
        for each in charted[example]
        if each["kind"] == "Deployment"
        for volume in each["spec"]["template"]["spec"]["volumes"]
        if "configMap" in volume
    }
    here = {each["metadata"]["name"] for each in charted[example] if each["kind"] == "ConfigMap"}
    there = {each["metadata"]["name"] for each in rendered[example] if each["kind"] == "ConfigMap"}
    assert len(mounted - here) == 1
    assert mounted - here <= there


@pytest.mark.parametrize("kind", ["PodMonitor", "PodDisruptionBudget", "NetworkPolicy", "Service"])
def test_what_selects_pods_finds_some(kind, rendered, charted):
    pods = [
        each["spec"]["template"]["metadata"]["labels"] for each in charted["minimal"] if each["kind"] == "Deployment"
    ]
    for each in rendered["minimal"]:
        for template in ("podTemplate", "driverSpec", "executorSpec"):
            found = each.get("spec", {}).get(template, {})
            pods += [found.get("podTemplateSpec", found)["metadata"]["labels"]] if found else []
    for each in charted["minimal"]:
        if each["kind"] == kind:
            selector = each["spec"].get("selector") or each["spec"]["podSelector"]
            assert any(_selects(selector, labels) for labels in pods), each["metadata"]["name"]


def _selects(selector, labels):
    plain = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    expressions = selector.get("matchExpressions", [])
    return plain.items() <= labels.items() and all(labels.get(one["key"]) in one["values"] for one in expressions)


def test_what_is_scraped_has_the_names_that_alerts_ask_for(charted):
    jobs = {each["job_name"] for each in prometheus_configuration(Settings.model_construct(), [])["scrape_configs"]}
    endpoints = [
        endpoint
        for each in charted["minimal"]
        if each["kind"] == "PodMonitor"
        for endpoint in each["spec"]["podMetricsEndpoints"]
    ]
    told = [relabelling for endpoint in endpoints for relabelling in endpoint["relabelings"]]
    assert {each["replacement"] for each in told if each["targetLabel"] == "job"} == jobs
    exporter = one(charted["minimal"], "PodMonitor", "lakehouse-exporter")["spec"]["podMetricsEndpoints"][0]
    asked = re.findall(r'job="(\w+)"', next(alert.expr for alert in GENERAL if alert.name == "ExporterDown"))
    assert [each["replacement"] for each in exporter["relabelings"]] == asked


@pytest.mark.parametrize(("example", "more"), [("minimal", set()), ("production", {587, 9000})])
def test_pods_reach_what_the_values_name_and_no_more(example, more, charted):
    name = "orders" if example == "production" else "lakehouse"
    closed = one(charted[example], "NetworkPolicy", f"{name}-closed")["spec"]
    postgres = {"minimal": 5432, "production": 6432}[example]
    opened = {port["port"] for rule in closed["egress"] for port in rule.get("ports", ())}
    assert opened == {53, 443, 6443, 9092, 9093, 9094, postgres, *more}
    # A rule without ports and peers would open everything.
    assert all(rule.get("ports") or rule.get("to") for rule in closed["egress"])


def test_the_ports_of_the_brokers_are_those_of_the_settings(charted_with):
    servers = {"settings": {"kafka_bootstrap_servers": "b-1.kafka:19094,[fd00::2]:9092"}}
    closed = one(charted_with("minimal", servers), "NetworkPolicy", "lakehouse-closed")["spec"]
    rules = [[port["port"] for port in rule.get("ports", ())] for rule in closed["egress"]]
    assert [19094, 9092, 9093, 9094] in rules


def test_the_default_port_of_mail_is_that_of_the_settings(charted_with):
    objects = charted_with("minimal", {"settings": {"notify_email_to": "data@example.com"}})
    closed = one(objects, "NetworkPolicy", "lakehouse-closed")["spec"]
    opened = {port["port"] for rule in closed["egress"] for port in rule.get("ports", ())}
    assert Settings.model_fields["notify_smtp_port"].default in opened


def test_settings_are_settings(charted):
    told = one(charted["minimal"], "ConfigMap", "lakehouse-settings")["data"]
    names = {name.removeprefix("LAKEHOUSE_").lower() for name in told if name.startswith("LAKEHOUSE_")}
    assert names <= Settings.model_fields.keys()


def test_runs_that_start_spark_have_its_image_and_size(charted, values_of):
    values = values_of("production")
    told = one(charted["production"], "ConfigMap", "orders-settings")["data"]
    assert told["LAKEHOUSE_DAGSTER_STEPS"] == "pods"
    assert told["LAKEHOUSE_DAGSTER_SPARK_IMAGE"] == values.images.spark
    assert told["LAKEHOUSE_DAGSTER_SPARK_CPU"] == values.dagster.spark_run.cpu
    assert told["LAKEHOUSE_DAGSTER_SPARK_MEMORY"] == values.dagster.spark_run.memory


@pytest.mark.parametrize(
    "other",
    [
        {"images": {"spark": "registry.example.com/lakehouse-spark:0.2.0"}},
        {"settings": {"dbt_memory": "2GB"}},
        {"objectStore": {"region": "eu-west-1"}},
    ],
)
def test_dagster_is_started_anew_where_a_setting_changes(other, charted, charted_with):
    before, after = (
        one(objects, "Deployment", "lakehouse-code-location")["spec"]["template"]["metadata"]["annotations"]
        for objects in (charted["minimal"], charted_with("minimal", other))
    )
    assert before["checksum/settings"] != after["checksum/settings"]
    assert before["checksum/instance"] == after["checksum/instance"]


def test_the_store_is_told_where_it_is_named(charted):
    names = {"minimal": "lakehouse", "production": "orders"}
    told = {each: one(charted[each], "ConfigMap", f"{name}-settings")["data"] for each, name in names.items()}
    of_store = {example: {key: data[key] for key in data if key.startswith("AWS_")} for example, data in told.items()}
    assert of_store["minimal"] == {}
    assert of_store["production"] == {"AWS_ENDPOINT_URL": "http://minio.storage:9000", "AWS_REGION": "eu-central-1"}


def test_pods_find_dagster_by_its_service(charted):
    service = one(charted["minimal"], "Service", "lakehouse-webserver")["spec"]
    assert [port["port"] for port in service["ports"]] == [80]
    told = one(charted["minimal"], "ConfigMap", "lakehouse-settings")["data"]
    assert told["LAKEHOUSE_DAGSTER_URL"] == "http://lakehouse-webserver.lakehouse"


def test_links_lead_to_the_ingress_and_the_exporter_asks_the_service(charted):
    told = one(charted["production"], "ConfigMap", "orders-settings")["data"]
    assert told["LAKEHOUSE_DAGSTER_URL"] == "https://dagster.example.com"
    exporter = one(charted["production"], "Deployment", "orders-exporter")["spec"]["template"]["spec"]["containers"][0]
    assert exporter["env"] == [{"name": "LAKEHOUSE_DAGSTER_URL", "value": "http://orders-webserver.lakehouse"}]


@pytest.mark.parametrize("example", EXAMPLES)
def test_dagster_takes_the_instance(example, charted, tmp_path):
    from dagster._core.instance.config import dagster_instance_config
    from dagster._core.instance.ref import InstanceRef
    from dagster_k8s import K8sRunLauncher

    name = "orders" if example == "production" else "lakehouse"
    text = one(charted[example], "ConfigMap", f"{name}-instance")["data"]["dagster.yaml"]
    (tmp_path / "dagster.yaml").write_text(text)
    dagster_instance_config(str(tmp_path))  # Raises where a key is unknown or a value of another type.
    # A run that was evicted in a step would keep its place in a pool for ever.
    monitoring = yaml.safe_load(text)["run_monitoring"]
    assert monitoring["enabled"]
    assert monitoring["free_slots_after_run_end_seconds"] > 0
    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher_data
    assert launcher is not None
    config = yaml.safe_load(launcher.config_yaml)
    checked = {**config, "load_incluster_config": False, "kubeconfig_file": str(_kubeconfig(tmp_path))}
    made = K8sRunLauncher.from_config_value(None, _with_defaults(K8sRunLauncher, checked))
    assert made.job_namespace == "lakehouse"
    assert config["instance_config_map"] == f"{name}-instance"


def _with_defaults(kind, config):
    from dagster._config import process_config, resolve_to_config_type

    processed = process_config(resolve_to_config_type(kind.config_type()), config)
    assert processed.success, processed.errors
    return processed.value


def _kubeconfig(directory):
    file = directory / "kubeconfig"
    cluster = {"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "none", "context": {"cluster": "none", "user": "none"}}
    told = {"clusters": [cluster], "contexts": [context], "users": [{"name": "none", "user": {}}]}
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "none", **told}))
    return file
