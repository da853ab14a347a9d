"""What Hadoop's S3A is told of the environment that delta-rs reads by itself."""

import os

import pytest

from lakehouse.storage.s3a import s3a_options


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_local_disks_need_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    assert s3a_options("/data/tables", "/data/checkpoints") == {}


@pytest.mark.parametrize("locations", [("s3://bucket/lake", "/data"), ("/data", "s3a://bucket/checkpoints")])
def test_the_credentials_stay_in_the_environment(environment: pytest.MonkeyPatch, locations: tuple[str, ...]) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "key")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert s3a_options(*locations) == {
        "fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
    }


def test_for_other_processes_their_environment_is_asked_alone(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://here:9000")
    environment.setenv("AWS_REGION", "eu-west-1")
    there = s3a_options("s3://bucket/lake", environment={"AWS_REGION": "us-east-1"})
    assert there["fs.s3a.endpoint.region"] == "us-east-1"
    assert "fs.s3a.endpoint" not in there


def test_a_store_of_ones_own_is_reached_by_its_address(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    environment.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    options = s3a_options("s3://bucket/lake")
    assert options["fs.s3a.endpoint"] == "http://store:9000"
    assert options["fs.s3a.path.style.access"] == "true"
    assert options["fs.s3a.endpoint.region"] == "eu-central-1"
    environment.setenv("AWS_REGION", "eu-west-1")
    assert s3a_options("s3://bucket/lake")["fs.s3a.endpoint.region"] == "eu-west-1"
