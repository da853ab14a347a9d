"""The contracts that the application works by, noted at its start: what a plan compares the present ones with.

A file a group: each application writes its own. Nothing here needs Spark, so that the command line can read it.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lakehouse.contracts.model import Contract
from lakehouse.settings import Settings

_FILES = "spark-contracts"


def note_contracts(settings: Settings, contracts: Iterable[Contract], group: str | None = None) -> None:
    """Replaces what the application of ``group`` before this one noted, or that which runs all of them."""
    file = settings.run_dir / f"{_FILES}{f'.{group}' if group else ''}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    noted = {contract.table: contract.writer_fields() for contract in contracts}
    partial.write_text(json.dumps(noted, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, file)
    if group is None:
        # Whoever runs all of them has taken over from the groups.
        for other in _files(settings):
            if other != file:
                other.unlink(missing_ok=True)


def noted_contracts(settings: Settings) -> dict[str, dict[str, Any]]:
    """The fields of each contract, by table; empty where no application ever ran.

    One that moved to another application is told by the one that started last.
    """
    noted: dict[str, dict[str, Any]] = {}
    for file in sorted(_files(settings), key=lambda file: file.stat().st_mtime_ns):
        noted |= json.loads(file.read_text(encoding="utf-8"))
    return noted


def _files(settings: Settings) -> list[Path]:
    return list(settings.run_dir.glob(f"{_FILES}*.json"))
