"""What `lakehouse deploy render` makes of the contracts."""

import shutil

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.contracts import visits_contract
from tests.event_tables import Event, Tables
from tests.unit.deploy.conftest import one
from typer.testing import CliRunner

from lakehouse.cli.main import app
from lakehouse.contracts import load_contracts
from lakehouse.deploy.flink import AnewError, flink_deployments
from lakehouse.deploy.render import RenderError, render, write
from lakehouse.deploy.sizes import executors
from lakehouse.deploy.values import CHART, Table
from lakehouse.flink.spec import job_spec
from lakehouse.local.build import sources_fingerprint
from lakehouse.settings import load_settings
from lakehouse.storage import Catalog, create_tables

SETTINGS = load_settings({"home": REPOSITORY})
TABLE = "streaming.order_metrics_5min"


def test_every_contract_has_a_writer(rendered):
    writers = [each for each in rendered["minimal"] if each["kind"] in ("SparkApplication", "FlinkDeployment")]
    tables = sorted(
        table for each in writers for table in each["metadata"]["annotations"]["lakehouse/tables"].split(",")
    )
    assert tables == sorted(contract.table for contract in load_contracts(SETTINGS.contracts_dir))


def test_a_flink_job_is_the_one_that_runs_locally(rendered):
    job = one(rendered["minimal"], "FlinkDeployment", "lakehouse-streaming-order-metrics-5min")["spec"]["job"]
    contract = next(each for each in load_contracts(SETTINGS.contracts_dir) if each.table == TABLE)
    on_s3 = load_settings({"home": REPOSITORY, "root": "s3://elsewhere/tables"})
    local = job_spec(on_s3, contract, sources_fingerprint(SETTINGS, "flink"))
    assert job["entryClass"] == local.entry_class
    assert job["args"][::2] == list(local.arguments[::2])
    told, here = (dict(zip(args[::2], args[1::2], strict=True)) for args in (job["args"], list(local.arguments)))
    assert {name for name in told if told[name] != here[name]} == {"--contract", "--bootstrap-servers", "--tables"}


def test_a_flink_job_finds_its_contract_where_it_is_mounted(rendered):
    name = "lakehouse-streaming-order-metrics-5min"
    deployment = one(rendered["minimal"], "FlinkDeployment", name)["spec"]
    args = deployment["job"]["args"]
    file = args[args.index("--contract") + 1]
    directory, _, base = file.rpartition("/")
    pod = deployment["podTemplate"]["spec"]
    mount = next(each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == directory)
    volume = next(each for each in pod["volumes"] if each["name"] == mount["name"])
    assert base in one(rendered["minimal"], "ConfigMap", volume["configMap"]["name"])["data"]


def test_the_store_is_that_of_the_values_and_not_of_this_machine(values_of, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://here:9000")
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    for example, endpoint, region in [
        ("minimal", None, None),
        ("production", "http://minio.storage:9000", "eu-central-1"),
    ]:
        made = render(values_of(example), SETTINGS)
        jobs = [each["spec"] for each in made if each["kind"] == "FlinkDeployment"]
        applications = [each["spec"] for each in made if each["kind"] == "SparkApplication"]
        for job in jobs:
            told = dict(zip(job["job"]["args"][::2], job["job"]["args"][1::2], strict=True))
            # Tables by the arguments; checkpoints, and what is kept for high availability, by the cluster.
            for prefix, options in (("--hadoop.", told), ("flink.hadoop.", job["flinkConfiguration"])):
                assert options[f"{prefix}fs.s3a.aws.credentials.provider"].endswith("DefaultCredentialsProvider")
                assert options.get(f"{prefix}fs.s3a.endpoint") == endpoint
                assert options.get(f"{prefix}fs.s3a.endpoint.region") == region
        templates = [job["podTemplate"] for job in jobs]
        templates += [each[role]["podTemplateSpec"] for each in applications for role in ("driverSpec", "executorSpec")]
        for template in templates:
            env = {each["name"]: each["value"] for each in template["spec"]["containers"][0]["env"]}
            assert (env.get("AWS_ENDPOINT_URL"), env.get("AWS_REGION")) == (endpoint, region)
        assert "//here" not in yaml.safe_dump(made)
        assert "us-west-2" not in yaml.safe_dump(made)


def test_a_script_is_that_of_the_image(rendered):
    args = one(rendered["minimal"], "FlinkDeployment", "lakehouse-streaming-fraud-alerts")["spec"]["job"]["args"]
    assert args[args.index("--script") + 1] == "/opt/lakehouse/streaming/flink/sql/fraud_alerts.sql"


def test_nothing_tells_where_it_was_rendered(rendered):
    assert str(REPOSITORY) not in yaml.safe_dump(rendered["minimal"])


def test_a_new_generation_has_another_name_and_other_checkpoints(rendered):
    name = "streaming-order-metrics-5min"
    first = one(rendered["minimal"], "FlinkDeployment", f"lakehouse-{name}")["spec"]
    second = one(rendered["production"], "FlinkDeployment", f"orders-{name}")["spec"]
    told = [spec["job"]["args"][spec["job"]["args"].index("--sink-uid") + 1] for spec in (first, second)]
    assert told == ["flink", "flink-2"]
    places = [spec["flinkConfiguration"]["execution.checkpointing.dir"] for spec in (first, second)]
    assert places[1].endswith(f"/flink/{TABLE}-2")
    assert places[0].endswith(f"/flink/{TABLE}")
    # From then on it goes on from its own savepoints, and would begin without state at each change otherwise.
    assert [spec["job"]["upgradeMode"] for spec in (first, second)] == ["savepoint", "savepoint"]


@pytest.fixture
def ingested(tmp_path):
    """Settings, the contract of a table that Flink ingests, and the table: two events of it, one more in quarantine."""
    settings = load_settings({"home": REPOSITORY, "root": str(tmp_path / "tables")})
    columns = [{"name": "at", "type": "timestamp", "required": True}]
    contract = visits_contract(columns=columns, freshness="5 seconds")
    catalog = Catalog.from_settings(settings)
    create_tables(catalog, contract)
    tables = Tables(catalog, contract)
    tables.commit([Event(0, 1_000), Event(1, 2_000)], 3_000)
    tables.reject([Event(2, 2_500, reason="missing: at")], 3_000)
    return settings, contract


def of_one_job(values, settings, contract, anew=()):
    made = flink_deployments(values, settings, [contract], anew)
    spec = one(made, "FlinkDeployment", "lakehouse-raw-visits")["spec"]
    return spec["job"], spec["flinkConfiguration"]


def test_a_job_that_begins_anew_has_no_state_and_begins_behind_the_rows_of_its_table(ingested, values_of):
    settings, contract = ingested
    values = values_of("minimal").model_copy(update={"tables": {contract.table: Table(generation=2)}})
    job, configuration = of_one_job(values, settings, contract, [contract.table])
    told = dict(zip(job["args"][::2], job["args"][1::2], strict=True))
    assert (job["upgradeMode"], job["state"]) == ("stateless", "running")
    assert (told["--sink-uid"], told["--starting-offsets"], told["--quarantined"]) == (
        "flink-2",
        '{"0": 2}',
        '{"0": 3}',
    )
    assert configuration["kubernetes.operator.deployment.rollback.enabled"] == "false"


def test_once_it_has_begun_it_goes_on_from_savepoints(ingested, values_of):
    settings, contract = ingested
    values = values_of("minimal").model_copy(update={"tables": {contract.table: Table(generation=2)}})
    job, configuration = of_one_job(values, settings, contract)
    assert job["upgradeMode"] == "savepoint"
    assert "--starting-offsets" not in job["args"]
    assert configuration["kubernetes.operator.deployment.rollback.enabled"] == "true"


def test_a_job_that_is_to_stay_suspended_does_not_begin_anew(ingested, values_of):
    settings, contract = ingested
    values = values_of("minimal").model_copy(update={"tables": {contract.table: Table(suspended=True)}})
    with pytest.raises(
        AnewError, match=r"drop tables\.raw\.visits\.suspended and raise tables\.raw\.visits\.generation"
    ):
        flink_deployments(values, settings, [contract], [contract.table])


def test_a_table_of_another_engine_does_not_begin_anew(ingested, values_of):
    settings, contract = ingested
    with pytest.raises(AnewError, match=r"raw\.orders is no table that Flink writes.*Tables: raw\.visits"):
        flink_deployments(values_of("minimal"), settings, [contract], ["raw.orders"])


def test_where_it_begins_is_told(tmp_path):
    file = REPOSITORY / CHART / "ci" / "minimal.yaml"
    arguments = ["deploy", "render", "-f", str(file), "-o", str(tmp_path / "out"), "--anew", TABLE]
    told = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert f"{TABLE} begins without state, at its contract's starting_offsets." in told.output


def test_a_changed_contract_changes_its_job_alone(tmp_path, values_of):
    shutil.copytree(SETTINGS.contracts_dir, tmp_path / "contracts")
    file = tmp_path / "contracts" / "order_metrics_5min.yaml"
    file.write_text(file.read_text().replace("allowed_lateness: 1 minute", "allowed_lateness: 2 minutes"))
    values = values_of("minimal")

    def jobs(directory):
        made = flink_deployments(values, SETTINGS, load_contracts(directory))
        return {each["metadata"]["name"]: each for each in made if each["kind"] == "FlinkDeployment"}

    before, after = jobs(SETTINGS.contracts_dir), jobs(tmp_path / "contracts")
    assert [name for name in before if before[name] != after[name]] == ["lakehouse-streaming-order-metrics-5min"]


def test_memory_is_what_flink_reads(values_of, tmp_path):
    (tmp_path / "mine.yaml").write_text("flink: {taskManager: {cpu: 1500m, memory: 1.5Gi}}")
    values = values_of("minimal", tmp_path / "mine.yaml")
    made = flink_deployments(values, SETTINGS, load_contracts(SETTINGS.contracts_dir))
    resources = [each["spec"]["taskManager"]["resource"] for each in made if each["kind"] == "FlinkDeployment"]
    assert resources == [{"cpu": 1.5, "memory": "1536m"}] * 4


def test_a_suspended_table_keeps_its_savepoint(rendered):
    job = one(rendered["production"], "FlinkDeployment", "orders-streaming-fraud-alerts")["spec"]["job"]
    assert (job["state"], job["upgradeMode"]) == ("suspended", "savepoint")


def test_no_pod_may_do_more_than_its_work(rendered):
    pods = [
        template["spec"]
        for each in rendered["minimal"]
        for template in (
            each.get("spec", {}).get("podTemplate"),
            *(each.get("spec", {}).get(role, {}).get("podTemplateSpec") for role in ("driverSpec", "executorSpec")),
        )
        if template
    ]
    assert len(pods) == 2 + 4
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_executors_follow_from_the_rates_of_the_contracts(values_of):
    size = values_of("minimal").spark
    orders = next(each for each in load_contracts(SETTINGS.contracts_dir) if each.table == "raw.orders")
    busy = orders.model_copy(update={"workload": {"events_per_second": 930_000}})
    busy = type(orders).model_validate({**orders.model_dump(exclude_none=True), "workload": busy.workload})
    # 930,000 ÷ 186,000 a core + 1.2 s of each 10 s, doubled for catching up: 10.24 cores, of 2 an executor.
    assert executors(size, "default", [busy]) == 6
    assert executors(size, "default", [orders]) == 1
    assert executors(size.model_copy(update={"executors": {"default": 9}}), "default", [busy]) == 9


def test_what_is_secret_comes_from_the_secret_alone(rendered):
    told = yaml.safe_dump(rendered["production"])
    assert "secretRef" in told
    assert "in-secret" not in told
    assert "LAKEHOUSE_POSTGRES_PASSWORD" not in told


def test_of_an_applications_pods_one_may_go_at_a_time(rendered):
    application = one(rendered["production"], "SparkApplication", "orders-spark-default")["spec"]
    budget = one(rendered["production"], "PodDisruptionBudget", "orders-spark-default")["spec"]
    assert application["sparkConf"]["spark.executor.instances"] == "4"
    assert budget["minAvailable"] == 3
    told = application["executorSpec"]["podTemplateSpec"]["metadata"]["labels"]
    assert budget["selector"]["matchLabels"].items() <= told.items()


def test_a_table_that_is_gone_leaves_no_file(tmp_path, rendered):
    write(rendered["minimal"], tmp_path / "out")
    files = write(rendered["minimal"][:1], tmp_path / "out")
    assert sorted((tmp_path / "out").iterdir()) == sorted(files)
    kustomization = yaml.safe_load((tmp_path / "out" / "kustomization.yaml").read_text())
    assert kustomization["resources"] == ["configmap-lakehouse-contracts.yaml"]


def test_a_directory_with_other_files_is_left_alone(tmp_path, rendered):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RenderError, match=r"holds notes.txt.*--output rendered"):
        write(rendered["minimal"], tmp_path)


def test_two_tables_of_one_name_are_refused(tmp_path, values_of):
    text = (SETTINGS.contracts_dir / "order_metrics_5min.yaml").read_text()
    text = text.replace(
        "columns_of: raw.orders",
        "columns: [{name: at, type: timestamp, required: true, description: x}]\n  event_time: at",
    )
    text = "".join(line for line in text.splitlines(keepends=True) if "derived_from" not in line)
    for position, table in enumerate(("streaming.a_b", "streaming_a.b")):
        late = text.replace(TABLE, table).replace("orders_late", f"late_{position}")
        (tmp_path / f"{position}.yaml").write_text(late)
    with pytest.raises(
        RenderError, match=r"streaming.a_b and streaming_a.b would both be the \w+ 'lakehouse-streaming-a-b'"
    ):
        render(values_of("minimal"), load_settings({"home": REPOSITORY, "contracts_dir": tmp_path}))


def test_contracts_beyond_a_config_map_are_refused(tmp_path, values_of):
    text = (SETTINGS.contracts_dir / "orders.yaml").read_text()
    (tmp_path / "orders.yaml").write_text(text + "# <\n" * 26_000)
    with pytest.raises(RenderError, match=r"take 26\d,\d+ bytes, `kubectl apply` sends 260,000 in a ConfigMap"):
        render(values_of("minimal"), load_settings({"home": REPOSITORY, "contracts_dir": tmp_path}))
