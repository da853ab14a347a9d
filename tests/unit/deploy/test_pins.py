"""What stands in two places is the same in both."""

import subprocess

import pyspark
from tests.conftest import REPOSITORY

from lakehouse.deploy import spark
from lakehouse.deploy.objects import HOME, STATE
from lakehouse.local.jars import JAR_SETS, TEST_JAR_SETS


def test_the_version_of_spark():
    assert pyspark.__version__ == spark._SPARK


def test_the_places_in_the_images():
    for image in ("dagster", "spark"):
        text = (REPOSITORY / "deploy" / "docker" / f"{image}.Dockerfile").read_text()
        assert f"LAKEHOUSE_HOME={HOME} " in text
        assert f"LAKEHOUSE_STATE_DIR={STATE}\n" in text
    assert f"ln -s {HOME}/jars {STATE}/jars" in text


def test_the_jars_of_the_class_path_are_those_of_the_image(tmp_path):
    for name in (*JAR_SETS, *TEST_JAR_SETS):
        (tmp_path / "from" / name).mkdir(parents=True)
        for jar in (f"{name}-1.0.jar", "netty-all-4.1.0.jar"):
            (tmp_path / "from" / name / jar).touch()
    (tmp_path / "spark").mkdir()
    (tmp_path / "spark" / "netty-all-4.2.9.Final.jar").touch()
    script = REPOSITORY / "deploy" / "docker" / "spark-jars.sh"
    subprocess.run([script, tmp_path / "from", tmp_path / "to", tmp_path / "spark"], check=True)
    copied = {str(jar.relative_to(tmp_path / "to")) for jar in (tmp_path / "to").rglob("*.jar")}
    named = [path.split("/")[-2] for path in spark._CLASS_PATH.split(":")]
    assert copied == {f"{name}/{name}-1.0.jar" for name in named}
