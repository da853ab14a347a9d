"""What the stack's processes take of this machine's memory."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from lakehouse.local.processes import memory_bytes

MIB = 1024**2
SHARED_MIB = 64
#: A process and two children that all have the same pages.
SHARING = f"""
import mmap, os, sys, time
pages = mmap.mmap(-1, {SHARED_MIB} * 1024**2)
pages.write(bytes(len(pages)))
for _ in range(2):
    if os.fork() == 0:
        pages[:]
        break
print("ready\\n", end="", flush=True)
time.sleep(600)
"""


@pytest.fixture
def sharing() -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-c", SHARING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    children = []
    try:
        assert [process.stdout.readline() for _ in range(3)] == ["ready\n"] * 3
        children = psutil.Process(process.pid).children()
        yield psutil.Process(process.pid)
    finally:
        for child in children:
            child.kill()
        process.kill()
        process.wait(timeout=30)


def resident(process: psutil.Process) -> int:
    return sum(int(member.memory_info().rss) for member in (process, *process.children()))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells how many share a page")
def test_a_page_that_several_share_counts_once(sharing: psutil.Process) -> None:
    assert resident(sharing) > 3 * SHARED_MIB * MIB
    assert SHARED_MIB * MIB < memory_bytes(sharing.pid) < resident(sharing) - 2 * SHARED_MIB * MIB


def test_what_may_not_be_looked_at_closely_counts_as_a_whole(
    sharing: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(process: psutil.Process) -> None:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "memory_full_info", refuse)
    assert memory_bytes(sharing.pid) == pytest.approx(resident(sharing), rel=0.05)


def test_a_process_that_has_gone_takes_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=30)
    assert memory_bytes(gone.pid) == 0
