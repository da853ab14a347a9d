"""The manifest: adds up what was delivered, and is written whole or not at all."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from lakehouse.generator.config import GeneratorConfig
from lakehouse.generator.manifest import Manifest, ManifestError, Tally
from lakehouse.generator.stream import Chunk, OrderGenerator

CONFIG = GeneratorConfig(
    events=2000, late=0.1, duplicates=0.1, malformed=0.1, seed=3, start=datetime(2026, 1, 1, tzinfo=UTC)
)


def tallied(events_file: Path | None = None, lost: int = 0) -> tuple[Manifest, list[Chunk]]:
    tally = Tally(CONFIG, "broker:9092", events_file)
    chunks = list(OrderGenerator(CONFIG).chunks())
    for chunk in chunks:
        tally.add(chunk, np.arange(chunk.first, chunk.first + len(chunk)) >= lost)
    return tally.finish(), chunks


def test_counts_add_up() -> None:
    manifest, _ = tallied()
    counts = manifest.counts
    assert manifest.complete
    assert counts.sent == 2000 == counts.valid + counts.malformed
    assert counts.unique == 1600
    assert (counts.duplicates, counts.malformed, counts.late, counts.failed) == (200, 200, 160, 0)
    assert sum(counts.malformed_by_kind.values()) == counts.malformed


def test_only_delivered_messages_are_counted() -> None:
    manifest, chunks = tallied(lost=500)
    everything, _ = tallied()
    assert not manifest.complete
    assert (manifest.counts.sent, manifest.counts.failed) == (1500, 500)
    assert manifest.counts.valid == sum(
        int((chunk.valid & (np.arange(chunk.first, chunk.first + len(chunk)) >= 500)).sum()) for chunk in chunks
    )
    assert manifest.checksum != everything.checksum


def test_the_events_file_holds_every_delivered_message(tmp_path: Path) -> None:
    path = tmp_path / "m.events.parquet"
    manifest, _ = tallied(path, lost=100)
    table = pq.read_table(path)
    assert manifest.events_file == path.name
    assert table["sequence"].to_pylist() == list(range(100, 2000))
    assert sum(table["valid"].to_pylist()) == manifest.counts.valid
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_manifest_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    manifest, _ = tallied()
    manifest.write(tmp_path / "m.json")
    assert Manifest.read(tmp_path / "m.json") == manifest
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


def test_the_parameters_of_a_manifest_give_the_same_stream_again() -> None:
    manifest, chunks = tallied()
    config = GeneratorConfig.from_parameters(manifest.parameters)
    again = list(OrderGenerator(config).chunks())
    assert [chunk.values for chunk in again] == [chunk.values for chunk in chunks]


def test_a_failed_write_leaves_the_old_manifest_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "m.json"
    target.mkdir()
    with pytest.raises(ManifestError, match="cannot be written"):
        tallied()[0].write(target)
    assert [p.name for p in tmp_path.iterdir()] == ["m.json"]


@pytest.mark.parametrize("content", [None, "{", '{"topic": "x"}'])
def test_reading_something_else_says_which_file_and_what_to_do(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "m.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ManifestError, match=r"m\.json is no manifest: (?s:.*)lakehouse produce"):
        Manifest.read(path)
