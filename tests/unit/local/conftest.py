"""Settings over a project with one contract in a temporary directory."""

import os
import shutil
from pathlib import Path

import pytest

from lakehouse.local.java import Java
from lakehouse.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[3]
POMS = ("pom.xml", *(f"{module}/pom.xml" for module in ("event-parser", "log-store", "flink/delta-sink", "flink/jobs")))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith("LAKEHOUSE_")]:
        monkeypatch.delenv(name)
    # What every project has, and the declarations of the programs read: Flink's settings, the modules of its jar.
    for part in ("deploy/flink/config.yaml", "streaming/contracts/orders.yaml", *(f"streaming/{pom}" for pom in POMS)):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / part, tmp_path / part)
    return load_settings({"home": tmp_path})


@pytest.fixture
def java() -> Java:
    return Java(home=Path("/opt/java"), version=17)
