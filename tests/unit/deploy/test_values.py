"""Values that do not do are refused by `lakehouse deploy render` and by Helm, with the path and what was expected."""

import pytest
import yaml
from tests.conftest import REPOSITORY
from tests.unit.deploy.conftest import CI

from lakehouse.deploy.values import CHART, ValuesError

#: What is wrong → what both name.
WRONG = {
    "unknown key": ({"dagster": {"replicas": 2}}, "replicas"),
    "quantity": ({"flink": {"taskManager": {"cpu": "1", "memory": "2 GB"}}}, "2 GB"),
    "count": ({"dagster": {"webserverReplicas": 0}}, "webserverReplicas"),
    "port": ({"networkPolicies": {"egressPorts": [90000]}}, "egressPorts"),
    "address": ({"objectStore": {"endpoint": "minio:9000"}}, "endpoint"),
    "untagged image": ({"images": {"spark": "registry.example.com/spark"}}, "spark"),
    "missing setting": ({"settings": {"root": None}}, "root"),
}


@pytest.mark.parametrize("problem", WRONG)
def test_render_refuses(problem, values_of, tmp_path):
    told, named = WRONG[problem]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(ValuesError, match=rf"mine\.yaml are not valid:(.|\n)*{named}"):
        values_of("minimal", tmp_path / "mine.yaml")


@pytest.mark.parametrize("problem", WRONG)
def test_helm_refuses(problem):
    helm = pytest.importorskip("helm_python", reason="Helm's library has no wheel for this machine")
    told, named = WRONG[problem]
    with helm.Chart.load(REPOSITORY / CHART) as chart:
        values = chart.merge_values(yaml.safe_load((CI / "minimal.yaml").read_text()))
        for part, own in told.items():
            values[part] = {key: value for key, value in {**values[part], **own}.items() if value is not None}
        with pytest.raises(helm.HelmValuesError, match=named):
            chart.validate_schema(values)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"postgres_password": "x"}, "postgres_password belongs into the Secret, as LAKEHOUSE_POSTGRES_PASSWORD"),
        ({"state_dir": "/data"}, "state_dir is said by the images and the chart: drop it"),
        ({"kafka_server": "x"}, "kafka_server is no setting. Settings: "),
        ({"root": "/data"}, "root is '/data', a path: pods share none"),
        ({"checkpoint_root": "/data"}, "give an address as s3a://bucket/checkpoints"),
    ],
)
def test_a_setting_that_does_not_belong_there(settings, message, values_of, tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"settings": settings}))
    with pytest.raises(ValuesError) as refused:
        values_of("minimal", tmp_path / "mine.yaml")
    assert message in str(refused.value)


def test_an_image_of_another_day_is_refused(values_of, tmp_path):
    (tmp_path / "mine.yaml").write_text("images: {spark: spark:latest}")
    with pytest.raises(ValuesError, match=r"images.spark: is another image each time"):
        values_of("minimal", tmp_path / "mine.yaml")
