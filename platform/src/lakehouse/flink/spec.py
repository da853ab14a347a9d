"""What a contract asks of Flink: the job that fills its table, as the JobManager is to be told."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any

from lakehouse.contracts import Contract, Engine
from lakehouse.errors import LakehouseError
from lakehouse.flink.generation import Generation, read_generation
from lakehouse.flink.restore import as_uri
from lakehouse.settings import Settings
from lakehouse.storage import Catalog
from lakehouse.storage.offsets import following_offsets
from lakehouse.storage.s3a import s3a_options

_PACKAGE = "io.lakehouse.flink.jobs"
_SCRIPTS = Path("streaming") / "flink" / "sql"
#: Checkpoints within the freshness that was promised: a row waits for one, and the checkpoint takes its time.
_CHECKPOINTS_PER_FRESHNESS = 6
_SHORTEST_INTERVAL = timedelta(seconds=1)
#: Under this name a job carries the fingerprint of what it was submitted with.
FINGERPRINT = "lakehouse.fingerprint"


class ScriptMissingError(LakehouseError):
    """A contract names a SQL script that does not exist."""


@dataclass(frozen=True)
class JobSpec:
    """A job as it should run. ``fingerprint`` changes with all that makes it what it is."""

    contract: Contract
    entry_class: str
    arguments: tuple[str, ...]
    configuration: Mapping[str, str]
    fingerprint: str

    @property
    def table(self) -> str:
        return self.contract.table


def flink_contracts(contracts: list[Contract]) -> list[Contract]:
    """Of ``contracts`` those that Flink serves."""
    return [contract for contract in contracts if contract.resolved_engine is Engine.FLINK]


def job_spec(
    settings: Settings,
    contract: Contract,
    code: str,
    *,
    generation: Generation | None = None,
    home: PurePath | None = None,
    environment: Mapping[str, str] | None = None,
) -> JobSpec:
    """The job that fills the table of ``contract``, in its present generation. ``code`` changes with the jobs' jar.

    For a cluster elsewhere, ``generation`` is the one to run, ``home`` where its JobManager finds the project, and
    ``environment`` what its processes have of AWS's; absent, that of this process.
    Raises ScriptMissingError where the contract names a script that there is not.
    """
    generation = generation or read_generation(settings, contract.table)
    entry_class, own_arguments = _entry(settings, contract, home or settings.home)
    hadoop = s3a_options(settings.root, environment=environment)
    arguments = (
        *("--contract", str(contract_file(settings, contract.table))),
        *("--bootstrap-servers", settings.kafka_bootstrap_servers),
        *("--tables", settings.root),
        *("--checkpoint-interval", f"{checkpoint_interval(contract.freshness) // timedelta(milliseconds=1)} ms"),
        *("--parallelism", str(contract.parallelism)),
        *("--sink-uid", generation.sink_uid),
        *own_arguments,
        *(part for name, value in settings.kafka.for_java().items() for part in (f"--kafka.{name}", value)),
        *(part for name, value in hadoop.items() for part in (f"--hadoop.{name}", value)),
    )
    parts = (code, entry_class, *arguments, contract_json(contract), script_text(settings, contract))
    fingerprint = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    configuration = {
        "execution.checkpointing.dir": as_uri(checkpoints(settings, contract.table, generation)),
        "pipeline.global-job-parameters": f"{FINGERPRINT}:{fingerprint}",
    }
    return JobSpec(contract, entry_class, arguments, configuration, fingerprint)


def checkpoint_store(settings: Settings, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """How a cluster itself reaches checkpoints on S3, as options of its configuration; ``environment`` as for a job."""
    options = s3a_options(settings.checkpoint_root, environment=environment)
    return {f"flink.hadoop.{option}": value for option, value in options.items()}


def checkpoints(settings: Settings, table: str, generation: Generation | None = None) -> str:
    """Where the checkpoints and savepoints of the job of ``table`` are: of ``generation``, else of its present one."""
    generation = generation or read_generation(settings, table)
    return f"{settings.checkpoint_root}/flink/{table}{f'-{generation.number}' if generation.number > 1 else ''}"


def checkpoint_interval(freshness: timedelta) -> timedelta:
    """How often rows have to become visible for a table of that freshness."""
    return max(freshness / _CHECKPOINTS_PER_FRESHNESS, _SHORTEST_INTERVAL)


def contract_file(settings: Settings, table: str) -> Path:
    """Where the JobManager finds the contract."""
    return settings.run_dir / "flink" / "contracts" / f"{table}.json"


def noted_contract(settings: Settings, table: str) -> dict[str, Any] | None:
    """The fields of the contract that the job of ``table`` was last submitted with; None where it never was."""
    file = contract_file(settings, table)
    if not file.is_file():
        return None
    noted: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return noted


def contract_json(contract: Contract) -> str:
    """The contract as the jobs read it: without what only the choice of their engine goes by."""
    return json.dumps(contract.writer_fields(), indent=2, sort_keys=True)


def starting_arguments(catalog: Catalog, contract: Contract) -> tuple[str, ...]:
    """Where a job without state begins: behind the rows that another engine has written into the same table.

    What that engine has put into quarantine beyond these, since it writes quarantine first, is not put there again.
    """
    if contract.transform is not None:
        return ()
    held = {
        "--starting-offsets": following_offsets(catalog, contract.table, contract.source.topic),
        "--quarantined": following_offsets(catalog, contract.rejected_table, contract.source.topic),
    }
    return tuple(part for name, at in held.items() if at for part in (name, offsets_argument(at)))


def offsets_argument(offsets: Mapping[int, int]) -> str:
    """Offsets by partition, as an argument of a job."""
    return json.dumps({str(partition): offset for partition, offset in offsets.items()})


def _entry(settings: Settings, contract: Contract, home: PurePath) -> tuple[str, tuple[str, ...]]:
    """The class with the job's main method, and the arguments that only its kind takes."""
    transform = contract.transform
    if transform is None:
        return f"{_PACKAGE}.IngestionJob", ()
    if transform.job is not None:
        return transform.job, ()
    database = f"jdbc:postgresql://{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_database}"
    arguments = {
        "--script": str(home / _SCRIPTS / str(transform.sql)),
        "--set.postgres_url": database,
        "--set.postgres_user": settings.postgres_user,
    }
    return f"{_PACKAGE}.SqlJob", tuple(part for pair in arguments.items() for part in pair)


def script_file(settings: Settings, contract: Contract) -> Path | None:
    """The SQL script of ``contract``; None where it has none."""
    if contract.transform is None or contract.transform.sql is None:
        return None
    return settings.home / _SCRIPTS / contract.transform.sql


def script_text(settings: Settings, contract: Contract) -> str:
    """The text of that script, empty where there is none to be. Raises ScriptMissingError."""
    file = script_file(settings, contract)
    if file is None:
        return ""
    if not file.is_file():
        there = ", ".join(sorted(other.name for other in file.parent.glob("*.sql"))) or "none"
        raise ScriptMissingError(
            f"{contract.table}: transform.sql is {file.name!r}, which is not in {file.parent}. Scripts there: {there}"
        )
    return file.read_text(encoding="utf-8")
