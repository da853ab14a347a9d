"""Delta tables on disk, as they are after a time that no test waits for."""

import json
import os
import time
from datetime import timedelta
from pathlib import Path


def let_pass(table: str, duration: timedelta) -> None:
    """Makes the table at ``table`` look as if all that happened to it had happened ``duration`` earlier."""
    earlier = duration.total_seconds()
    for file in Path(table).rglob("*"):
        if file.is_file():
            if file.parent.name == "_delta_log" and file.suffix == ".json":
                _rewrite(file, int(earlier * 1000))
            now = file.stat().st_mtime
            if now > time.time() - 3600:
                os.utime(file, (now - earlier, now - earlier))


def _rewrite(entry: Path, earlier_ms: int) -> None:
    moments = {"remove": "deletionTimestamp", "commitInfo": "timestamp", "add": "modificationTime"}
    actions = [json.loads(line) for line in entry.read_text().splitlines()]
    for action in actions:
        for kind, field in moments.items():
            if kind in action and field in action[kind]:
                action[kind][field] -= earlier_ms
    before = entry.stat().st_mtime
    entry.write_text("".join(json.dumps(action) + "\n" for action in actions))
    os.utime(entry, (before, before))
