"""Which jars come before those of pyspark."""

from pathlib import Path

from lakehouse_spark.session import _unlike_those_of_spark


def test_spark_keeps_its_own_version_of_what_it_ships() -> None:
    given = [Path(name) for name in ("netty-codec-4.1.126.Final.jar", "netty-nio-client-2.35.4.jar", "s3-2.35.4.jar")]
    assert [jar.name for jar in _unlike_those_of_spark(given)] == ["netty-nio-client-2.35.4.jar", "s3-2.35.4.jar"]
