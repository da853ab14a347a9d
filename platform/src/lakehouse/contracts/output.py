"""How the results of a Spark transform get into its table; the combinations that lose rows or grow without bound."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lakehouse.contracts.columns import check_time_column
from lakehouse.contracts.part import Location, MisplacedError

if TYPE_CHECKING:
    from lakehouse.contracts.model import Contract
    from lakehouse.contracts.transform import Transform

#: What a windowed row covers, from (inclusive) and to (exclusive). A new beginning of a table is cut along these.
WINDOW_START, WINDOW_END = "window_start", "window_end"


class OutputMode(StrEnum):
    """What a micro-batch does to the rows of the table."""

    APPEND = "append"
    UPDATE = "update"
    COMPLETE = "complete"


@dataclass(frozen=True)
class Guidance:
    """What becomes of a row in a mode, when to take that, what it costs, and what it asks for."""

    row: str
    take_when: str
    costs: str
    needs: str


GUIDANCE = {
    OutputMode.APPEND: Guidance(
        row="is final when it is written, and never changes",
        take_when="rows are events, or readers want nothing but final windows; sessions (`gap`)",
        costs="a window shows when the watermark has passed its end: as late as `event_time.watermark`, and more on a "
        "quiet topic. The cheapest to write, and to follow downstream",
        needs="a watermark, for windows",
    ),
    OutputMode.UPDATE: Guidance(
        row="is replaced, by its `keys`, whenever it changes",
        take_when="readers want to see a window while it fills",
        costs="a merge a batch, which rewrites the files of the touched windows; readers downstream get changes, and "
        "not new rows alone",
        needs="a watermark, for windows; `keys`, with `window_start` among them for windows; no `gap`",
    ),
    OutputMode.COMPLETE: Guidance(
        row="is one of all results, which replace the table",
        take_when="the result is small and has no end in time, as a ranking or a sum of each shop",
        costs="the whole table a batch; the state of every key for ever",
        needs="`max_rows`, beyond which the query stops",
    ),
}


def check_output(contract: "Contract", transform: "Transform") -> None:
    """Raises MisplacedError for the first thing about ``transform``, a Spark function, that cannot work."""
    if transform.step is not None:
        for column in (WINDOW_START, WINDOW_END):
            check_time_column(contract.columns, column, ("columns",))
    for location, text in _mistakes(contract, transform):
        raise MisplacedError(location, text)


def _mistakes(contract: "Contract", transform: "Transform") -> Iterator[tuple[Location, str]]:
    mode = transform.output_mode
    windowed = transform.window is not None or transform.gap is not None
    if windowed and contract.event_time.watermark is None and mode is not OutputMode.COMPLETE:
        without = {
            OutputMode.APPEND: "no window would ever be final, and none be written",
            OutputMode.UPDATE: "the state of every window would be kept for ever",
        }[mode]
        yield ("event_time", "watermark"), f"is missing: without a watermark {without}. Give one, as `10 minutes`"
    if mode is OutputMode.UPDATE and not contract.keys:
        yield ("keys",), "is missing: `mode: update` replaces rows by their keys. Give those, or `mode: append`"
    if mode is OutputMode.UPDATE and transform.gap is not None:
        yield (
            ("transform", "mode"),
            "`update` does not go with `gap`: a session is written when it is over, by `append`",
        )
    if mode is OutputMode.UPDATE and transform.window is not None and WINDOW_START not in contract.keys:
        yield (
            ("keys",),
            f"have to hold {WINDOW_START} with `mode: update`: else each window would replace the one before",
        )
    if (mode is OutputMode.COMPLETE) != (transform.max_rows is not None):
        yield (
            ("transform", "max_rows"),
            "goes with `mode: complete`, and that with max_rows: each batch writes the whole result anew",
        )
    flink: dict[Location, object] = {
        ("event_time", "idleness"): contract.event_time.idleness,
        ("also_to",): contract.also_to,
    }
    for location, value in flink.items():
        if value is not None:
            yield location, "goes with a Flink transform: drop it"
