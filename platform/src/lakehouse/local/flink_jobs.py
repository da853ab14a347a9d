"""The jobs of the local Flink cluster, one for each contract that Flink serves."""

from lakehouse.contracts import Contract, load_contracts
from lakehouse.flink.notes import read_notes
from lakehouse.flink.spec import flink_contracts, job_spec
from lakehouse.flink.status import JobStatus, job_statuses
from lakehouse.local.build import sources_fingerprint
from lakehouse.local.flink import job_manager
from lakehouse.settings import Settings


def flink_jobs(settings: Settings) -> list[JobStatus]:
    """How each job does, by table."""
    tables = [contract.table for contract in _contracts(settings)]
    return job_statuses(settings, job_manager(settings), tables, read_notes(settings)) if tables else []


def wanted_fingerprints(settings: Settings) -> dict[str, str]:
    """What each job should have been submitted with, by table."""
    code = sources_fingerprint(settings, "flink")
    return {contract.table: job_spec(settings, contract, code).fingerprint for contract in _contracts(settings)}


def _contracts(settings: Settings) -> list[Contract]:
    return flink_contracts(load_contracts(settings.contracts_dir))
