"""Where the code behind a streaming table stands: its contract, and its transform."""

import importlib.util
import re
from pathlib import Path

import dagster as dg

from lakehouse.contracts.model import Contract
from lakehouse.contracts.transform import Transform
from lakehouse.flink.spec import script_file
from lakehouse.settings import Settings

_TABLE = re.compile(r"^table:\s*(\S+)", re.MULTILINE)
_JOBS = Path("streaming") / "flink" / "jobs" / "src" / "main" / "java"


def contract_files(settings: Settings) -> dict[str, Path]:
    """The file of each contract, by table: those that people edit, and not the copies that the stack applied."""
    edited = settings.home / "streaming" / "contracts"
    found: dict[str, Path] = {}
    for directory in (settings.contracts_dir, edited):
        for file in sorted(directory.glob("*.yaml")):
            if match := _TABLE.search(file.read_text(encoding="utf-8")):
                found[match[1]] = file
    return found


def code_references(
    settings: Settings, contract: Contract, contract_file: Path | None
) -> dg.CodeReferencesMetadataValue | None:
    """The contract in ``contract_file``, and the file of its transform; None where neither is on this machine."""
    files = {"contract": contract_file, "transform": _transform_file(settings, contract)}
    references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
        dg.LocalFileCodeReference(file_path=str(file), label=f"{what}: {file.name}")
        for what, file in files.items()
        if file is not None and file.is_file()
    ]
    return dg.CodeReferencesMetadataValue(code_references=references) if references else None


def _transform_file(settings: Settings, contract: Contract) -> Path | None:
    match contract.transform:
        case Transform(function=str(function)):
            spec = importlib.util.find_spec(function.split(":")[0])
            return Path(spec.origin) if spec and spec.origin else None
        case Transform(job=str(job)):
            return settings.home / _JOBS / f"{job.replace('.', '/')}.java"
        case _:
            return script_file(settings, contract)
