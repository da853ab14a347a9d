"""What kept a job from being submitted: noted in a file, since no JobManager knows of a job that there is not."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakehouse.settings import Settings


@dataclass(frozen=True)
class Note:
    """Why the last attempt failed, and when."""

    error: str
    at: datetime


def notes_file(settings: Settings) -> Path:
    return settings.run_dir / "flink" / "notes.json"


def read_notes(settings: Settings) -> dict[str, Note]:
    """The notes by table; none before the first."""
    file = notes_file(settings)
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    return {table: Note(note["error"], datetime.fromisoformat(note["at"])) for table, note in found.items()}


def write_notes(settings: Settings, notes: dict[str, Note]) -> None:
    """Replaces the notes in one step, so that a reader never meets half of them."""
    file = notes_file(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".new")
    told = {table: {"error": note.error, "at": note.at.isoformat()} for table, note in notes.items()}
    temporary.write_text(json.dumps(told), encoding="utf-8")
    temporary.rename(file)
