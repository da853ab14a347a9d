"""A model is built by one process at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.dbt_delta.errors import ModelBusyError
from lakehouse.dbt_delta.lock import ModelLocks

HOLD = """
import sys
from pathlib import Path
from lakehouse.dbt_delta.lock import ModelLocks
ModelLocks(Path(sys.argv[1])).acquire("marts.m") or print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_and_told_who_builds(tmp_path: Path) -> None:
    locks = ModelLocks(tmp_path)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ModelBusyError, match=rf"marts\.m is being built by another run \(process {holder.pid}"):
            locks.acquire("marts.m")
        locks.acquire("marts.other")
    finally:
        holder.kill()
        holder.communicate()
    locks.acquire("marts.m")


def test_a_lock_can_be_taken_again_by_its_holder_and_given_back(tmp_path: Path) -> None:
    first, second = ModelLocks(tmp_path), ModelLocks(tmp_path)
    first.acquire("marts.m")
    first.acquire("marts.m")
    with pytest.raises(ModelBusyError):
        second.acquire("marts.m")
    first.release_all()
    second.acquire("marts.m")
