"""Where tables live: `schema.table` names on local disk or object storage, through the same code."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow.fs
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from obstore.store import LocalStore, ObjectStore, S3Store

from lakehouse.errors import LakehouseError
from lakehouse.settings import Settings

_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
#: What delta-rs understands of the usual AWS environment.
_AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ALLOW_HTTP",
)


class StoreError(LakehouseError):
    """The object store does not answer, or refuses."""


class TableNotFoundError(LakehouseError):
    """No Delta table stands under the name."""


class VersionNotFoundError(LakehouseError):
    """The table never had this version, or no longer has it."""


@dataclass(frozen=True)
class Catalog:
    """The Delta tables below one root.

    ``root`` is a local path or ``s3://bucket/prefix``; ``storage_options`` are delta-rs's, empty for local paths.
    """

    root: str
    storage_options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Catalog":
        """The catalog below ``settings.root``, with the credentials of the environment for object storage."""
        if "://" not in settings.root:
            return cls(settings.root)
        options = {name: os.environ[name] for name in _AWS_VARIABLES if name in os.environ}
        if region := options.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
            options["AWS_REGION"] = region
        if options.get("AWS_ENDPOINT_URL", "").startswith("http://"):
            # Whoever names such an endpoint wants it; delta-rs would ask once more.
            options.setdefault("AWS_ALLOW_HTTP", "true")
        # Commits are safe beside other writers only as conditional puts; maintenance and a stream do meet.
        return cls(settings.root, {**options, "aws_conditional_put": "etag"})

    def uri(self, name: str) -> str:
        """The location of the table `schema.table`. Raises LakehouseError for any other shape of name."""
        if not _NAME.fullmatch(name):
            raise LakehouseError(f"{name!r} is no table name: expected schema.table in lower case, as in raw.orders")
        return f"{self.root}/{name.replace('.', '/')}"

    def spark_uri(self, name: str) -> str:
        """As ``uri``, with the scheme that Hadoop's file systems know."""
        return hadoop_uri(self.uri(name))

    def exists(self, name: str) -> bool:
        """Whether a Delta table stands under ``name``. Raises StoreError where the object store does not tell."""
        with self._answering():
            return DeltaTable.is_deltatable(self.uri(name), storage_options=dict(self.storage_options))

    def open(self, name: str, version: int | None = None) -> DeltaTable:
        """The table, at ``version`` or its newest.

        Raises TableNotFoundError naming the tables there are, and VersionNotFoundError naming the versions.
        """
        if not self.exists(name):
            known = ", ".join(self.names()) or "none yet"
            raise TableNotFoundError(f"no table {name!r} below {self.root}. Tables: {known}")
        if version is None:
            return self._open(name, None)
        try:
            return self._open(name, version)
        except (DeltaError, OverflowError) as error:
            kept = sorted(int(commit["version"]) for commit in self._open(name, None).history())
            if kept and kept[0] <= version <= kept[-1]:
                raise  # Something else is wrong with it.
            versions = f"{kept[0]} to {kept[-1]}" if kept else "none"
            raise VersionNotFoundError(
                f"table {name!r} has no version {version}. Versions: {versions}; older ones were cleaned up with the "
                "log, see the contract's `retention`"
            ) from error

    def _open(self, name: str, version: int | None) -> DeltaTable:
        return DeltaTable(self.uri(name), version=version, storage_options=dict(self.storage_options))

    def store(self, name: str) -> ObjectStore:
        """The objects of the table ``name``, by their paths relative to it."""
        return object_store(self.uri(name), self.storage_options)

    def parquet(self, location: str) -> pq.ParquetFile:
        """The Parquet file at ``location``, to read some of its columns. Raises FileNotFoundError, and StoreError."""
        filesystem, _ = self._filesystem()
        try:
            return pq.ParquetFile(filesystem.open_input_file(location.removeprefix("s3://")), pre_buffer=False)
        except FileNotFoundError:
            raise
        except OSError:
            with self._answering():
                raise

    def names(self) -> list[str]:
        """Every `schema.table` below the root, sorted. Raises StoreError where the object store does not tell."""
        with self._answering():
            filesystem, base = self._filesystem()
            directories = [
                (schema.base_name, table.base_name)
                for schema in _subdirectories(filesystem, base)
                for table in _subdirectories(filesystem, schema.path)
            ]
        names = (f"{schema}.{table}" for schema, table in directories)
        return sorted(name for name in names if _NAME.fullmatch(name) and self.exists(name))

    def check_store(self) -> None:
        """Raises StoreError where the tables are on an object store that does not answer, or has no such bucket."""
        if "://" not in self.root:
            return
        with self._answering():
            filesystem, base = self._filesystem()
            bucket = base.split("/")[0]
            if filesystem.get_file_info(bucket).type is pyarrow.fs.FileType.NotFound:
                raise FileNotFoundError(f"there is no bucket {bucket!r}")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Makes what an object store says to a request a StoreError. Errors of a local disk pass."""
        try:
            yield
        except (OSError, DeltaError) as error:
            if "://" not in self.root:
                raise
            given = ", ".join(name for name in _AWS_VARIABLES if name in self.storage_options) or "none"
            raise StoreError(
                f"no access to {self.root} at {self.storage_options.get('AWS_ENDPOINT_URL', 'AWS')}: {error}\n"
                f"Address and credentials come from {', '.join(_AWS_VARIABLES[:-1])}; given are: {given}."
            ) from error

    def _filesystem(self) -> tuple[pyarrow.fs.FileSystem, str]:
        if not self.root.startswith("s3://"):
            return pyarrow.fs.LocalFileSystem(), self.root
        options = self.storage_options
        filesystem = pyarrow.fs.S3FileSystem(
            access_key=options.get("AWS_ACCESS_KEY_ID"),
            secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
            session_token=options.get("AWS_SESSION_TOKEN"),
            region=options.get("AWS_REGION"),
            endpoint_override=options.get("AWS_ENDPOINT_URL"),
        )
        return filesystem, self.root.removeprefix("s3://")


def object_store(location: str, storage_options: Mapping[str, str]) -> ObjectStore:
    """The objects below ``location``, a path or ``s3://bucket/prefix``."""
    if "://" not in location:
        return LocalStore(location)
    options = {option.lower(): value for option, value in storage_options.items()}
    plain_http = options.pop("aws_allow_http", "false").lower() == "true"
    return S3Store.from_url(location, config=cast(Any, options), client_options={"allow_http": plain_http})


def hadoop_uri(location: str) -> str:
    """``location``, a path or an address, with the scheme that Hadoop's file systems know."""
    return location.replace("s3://", "s3a://", 1)


def existing_store(location: str, storage_options: Mapping[str, str]) -> ObjectStore | None:
    """The objects below ``location``, which may have a scheme of Hadoop's; None where there is no such directory."""
    if "://" not in location:
        return LocalStore(location, automatic_cleanup=True) if Path(location).is_dir() else None
    return object_store(location.replace("s3a://", "s3://", 1), storage_options)


def _subdirectories(filesystem: pyarrow.fs.FileSystem, path: str) -> list[pyarrow.fs.FileInfo]:
    found = filesystem.get_file_info(pyarrow.fs.FileSelector(path, allow_not_found=True))
    return [info for info in found if info.type == pyarrow.fs.FileType.Directory]
