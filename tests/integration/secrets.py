"""Where secrets could be read that clients are given: in what they write to the store, and to files."""

from collections.abc import Iterable
from pathlib import Path

from lakehouse.storage import Catalog
from lakehouse.storage.catalog import object_store


def found_in(secrets: Iterable[str], catalog: Catalog, directory: Path) -> list[str]:
    """The objects below the root of ``catalog`` and the files below ``directory`` in which one of ``secrets`` stands.

    Fails where there is nothing of either to look at.
    """
    store = object_store(catalog.root, catalog.storage_options)
    # Hadoop marks directories with empty objects, whose names end in a slash that gets lost.
    objects = [meta["path"] for batch in store.list() for meta in batch if meta["size"]]
    files = [file for file in directory.rglob("*") if file.is_file()]
    assert any(name.endswith(".json") for name in objects)
    assert any(file.suffix == ".log" for file in files)
    written = {**{name: bytes(store.get(name).bytes()) for name in objects}, **{str(f): f.read_bytes() for f in files}}
    wanted = [secret.encode() for secret in secrets]
    return [name for name, content in written.items() if any(secret in content for secret in wanted)]
