"""What is to be replayed, as somebody asks for it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lakehouse.replay.errors import ReplayError

#: Offsets by partition, from (inclusive) and to (exclusive).
Ranges = Mapping[int, tuple[int, int]]

_OFFSETS = re.compile(r"(\d+):(\d+)-(\d+)")


@dataclass(frozen=True)
class Request:
    """``since`` (inclusive) to ``until`` (exclusive), or ``offsets``; neither of them is all there is.

    ``quarantined`` asks for the rejected events of that range alone, by the contract as it is now.
    """

    table: str
    since: datetime | None = None
    until: datetime | None = None
    offsets: Ranges | None = None
    quarantined: bool = False

    def __str__(self) -> str:
        if self.offsets is not None:
            told = "offsets " + ", ".join(f"{p}:{start}-{end}" for p, (start, end) in sorted(self.offsets.items()))
        elif self.since or self.until:
            told = f"{_told(self.since) or 'the beginning'} to {_told(self.until) or 'now'}"
        else:
            told = "all there is"
        return f"quarantined events, {told}" if self.quarantined else told


def parse_request(
    table: str, since: str | None, until: str | None, offsets: str | None, *, whole: bool, quarantined: bool
) -> Request:
    """Raises ReplayError for a range that is none, or is given in two ways or in no way."""
    given = [name for name, value in (("from/to", since or until), ("offsets", offsets), ("whole", whole)) if value]
    if len(given) > 1 or not (given or quarantined):
        raise ReplayError(
            f"{table}: the range is given by {' and '.join(given) or 'nothing'}; expected one of from/to "
            "(--from 2026-11-20T10:00 --to 2026-11-20T12:00), offsets (--offsets 0:100-200,1:50-80) and whole (--whole)"
        )
    request = Request(
        table,
        _moment("from", since),
        _moment("to", until),
        None if offsets is None else _offsets(offsets),
        quarantined,
    )
    if request.since and request.until and request.since >= request.until:
        raise ReplayError(
            f"{table}: from {_told(request.since)} is not before to {_told(request.until)}. From is inclusive and to "
            "exclusive: exchange them, or move one."
        )
    return request


def _moment(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ReplayError(
            f"{name} is {text!r}; expected a time in ISO 8601, as 2026-11-20T10:00 or 2026-11-20T11:00+01:00; UTC "
            "where it names no offset"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _offsets(text: str) -> Ranges:
    ranges: dict[int, tuple[int, int]] = {}
    for part in text.split(","):
        found = _OFFSETS.fullmatch(part.strip())
        if found is None or int(found[2]) >= int(found[3]) or int(found[1]) in ranges:
            raise ReplayError(
                f"offsets hold {part.strip()!r}; expected partition:from-to once a partition, from inclusive, to "
                "exclusive and behind it, separated by commas: 0:100-200,1:50-80"
            )
        ranges[int(found[1])] = (int(found[2]), int(found[3]))
    return ranges


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
