"""How fresh dbt's tables are: event → mart, through the source versions that each of their commits has consumed.

No row is read. A commit of a model names the version of each source up to which it read; that source is a streaming
table, or another model, whose commits name versions in turn. So a commit makes the events of certain versions of a
streaming table visible, and how old these were when *they* were committed is known: the latency of an event in the mart
is that, plus the time between the two commits.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lakehouse.contracts.model import Contract
from lakehouse.contracts.tables import declared_tables
from lakehouse.dbt_delta.progress import consumed_sources, consumed_version
from lakehouse.observability.freshness import WINDOW_MS
from lakehouse.observability.histogram import Histogram
from lakehouse.observability.state import Measured, locked, read_state, state_file, write_state
from lakehouse.settings import Settings
from lakehouse.storage.catalog import Catalog
from lakehouse.storage.stats import commit_time
from lakehouse.storage.tail import BEFORE_ALL, Position, commits_after, position_at

#: All models in one file: each needs the commits of those upstream.
_FILE = "dbt-models"
_MOST_COMMITS = 500
#: Older commits of a model are not asked for: the models downstream have consumed them.
_KEPT_COMMITS = 500
_YOUNG = 10


@dataclass
class ModelCommit:
    """One version of a model, and the version of each source that it had consumed by then."""

    version: int
    at_ms: int
    consumed: dict[str, int]


@dataclass
class Model:
    """A model. ``reached`` is the version of each streaming table whose events are all in it."""

    position: Position
    commits: list[ModelCommit] = field(default_factory=list)
    reached: dict[str, int] = field(default_factory=dict)
    latencies: list[tuple[int, Histogram]] = field(default_factory=list)
    totals: Histogram = field(default_factory=Histogram)

    def consumed_at(self, version: int) -> Mapping[str, int]:
        """What had been consumed at ``version``; nothing where that is not known."""
        return next((commit.consumed for commit in reversed(self.commits) if commit.version <= version), {})

    def since(self, moment_ms: int) -> Histogram:
        """Event → mart, of the commits since then."""
        merged = Histogram()
        for at_ms, latencies in self.latencies:
            if at_ms > moment_ms:
                merged.merge(latencies)
        return merged

    def as_json(self) -> dict[str, Any]:
        return {
            "position": asdict(self.position),
            "commits": [asdict(commit) for commit in self.commits],
            "reached": self.reached,
            "latencies": [[at_ms, latencies.as_json()] for at_ms, latencies in self.latencies],
            "totals": self.totals.as_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Model":
        return cls(
            Position(**values["position"]),
            [ModelCommit(**commit) for commit in values["commits"]],
            values["reached"],
            [(at_ms, Histogram.from_json(latencies)) for at_ms, latencies in values["latencies"]],
            Histogram.from_json(values["totals"]),
        )


@dataclass(frozen=True)
class MartFreshness:
    """What is known of a model, in seconds. ``age`` is that of the oldest event which is not in it, None if unknown."""

    table: str
    version: int
    age: float | None
    median: float | None
    p95: float | None
    longest: float | None
    events: int
    totals: Histogram


def measure_marts(settings: Settings, catalog: Catalog, contracts: Iterable[Contract]) -> dict[str, MartFreshness]:
    """Measures every table that no contract declares and that reads one that is, itself or through others.

    To be called when the tables of ``contracts`` were looked at: what is known of these is read from their files.
    """
    contracts = list(contracts)
    states = {contract.table: read_state(state_file(settings, contract.table)) for contract in contracts}
    streams = {table: Measured.from_json(state) for table, state in states.items() if state}
    declared = {table.name for contract in contracts for table in declared_tables(contract)}
    names = [name for name in catalog.names() if name not in declared]
    file = state_file(settings, _FILE)
    if not names:
        return {}
    with locked(file):
        models = {name: Model.from_json(values) for name, values in (read_state(file) or {}).items()}
        models = update(catalog, names, models, streams)
        write_state(file, {name: model.as_json() for name, model in models.items()})
    now_ms = int(time.time() * 1000)
    return {name: _told(name, model, streams, now_ms) for name, model in models.items() if model.reached}


def update(
    catalog: Catalog, names: Iterable[str], models: Mapping[str, Model], streams: Mapping[str, Measured]
) -> dict[str, Model]:
    """``models`` with what was committed since, where ``names`` are the tables that may be models."""
    kept = {name: model for name, model in models.items() if name in set(names) and model.position.holds(catalog, name)}
    followed = {**kept, **{name: _begin(catalog, name) for name in names if name not in kept}}
    for name in followed.keys() - kept.keys():
        if followed[name].position != BEFORE_ALL:
            _recall(catalog, name, followed[name], [*streams, *followed])
    new: dict[str, list[ModelCommit]] = {}
    for name, model in followed.items():
        new[name] = []
        for commit, position in commits_after(catalog, name, model.position, _MOST_COMMITS):
            model.position = position
            if consumed := consumed_sources(commit.transactions):
                new[name].append(ModelCommit(commit.version, commit.at_ms, consumed))
        model.commits += new[name]
    # All models were read on before the first is resolved: one may have read what another has just written.
    for name, model in followed.items():
        if not model.reached and len(model.commits) > len(new[name]):
            model.reached = _reached(model.commits[0].consumed, followed, streams)
        for made in new[name]:
            _count(model, made, followed, streams)
        del model.commits[:-_KEPT_COMMITS]
    return followed


def _begin(catalog: Catalog, name: str) -> Model:
    version = catalog.open(name).version()
    young = version <= _YOUNG and position_at(catalog, name, 0) is not None
    return Model(BEFORE_ALL if young else position_at(catalog, name, version) or BEFORE_ALL)


def _recall(catalog: Catalog, name: str, model: Model, sources: Iterable[str]) -> None:
    """What a table had consumed that is followed from a later version on: it still knows."""
    table = catalog.open(name, model.position.version)
    found = {source: catalog.open(source) for source in sources if source != name and catalog.exists(source)}
    consumed = {source: consumed_version(table, source, held) for source, held in found.items()}
    known = {source: version for source, version in consumed.items() if version is not None}
    if known:
        model.commits.append(ModelCommit(table.version(), int(commit_time(table).timestamp() * 1000), known))


def _count(model: Model, made: ModelCommit, models: Mapping[str, Model], streams: Mapping[str, Measured]) -> None:
    """Counts the events that the commit ``made`` brought into ``model``."""
    latencies = Histogram()
    for stream, version in _reached(made.consumed, models, streams).items():
        before = model.reached.get(stream)
        if before is not None:
            for record in streams[stream].records:
                if before < record.last <= version:
                    latencies.merge(record.latencies.later(max(made.at_ms - record.at_ms, 0)))
        model.reached[stream] = max(version, before if before is not None else version)
    if latencies.count:
        model.totals.merge(latencies)
        model.latencies.append((made.at_ms, latencies))
        model.latencies = [(at, kept) for at, kept in model.latencies if at > made.at_ms - WINDOW_MS]


def _reached(
    consumed: Mapping[str, int], models: Mapping[str, Model], streams: Mapping[str, Measured]
) -> dict[str, int]:
    """The version of each streaming table that ``consumed`` amounts to: by several ways, the least of them."""
    reached: dict[str, int] = {}
    for source, version in consumed.items():
        if source in streams:
            ways = {source: version}
        elif source in models:
            ways = _reached(models[source].consumed_at(version), models, streams)
        else:
            continue
        for stream, way in ways.items():
            reached[stream] = min(way, reached.get(stream, way))
    return reached


def _told(name: str, model: Model, streams: Mapping[str, Measured], now_ms: int) -> MartFreshness:
    latencies = model.since(now_ms - WINDOW_MS)
    ages = [_age_ms(streams[stream], version, now_ms) for stream, version in model.reached.items() if stream in streams]
    known = [age for age in ages if age is not None]
    return MartFreshness(
        table=name,
        version=model.position.version,
        age=max(known) / 1000 if known and len(known) == len(ages) else None,
        median=latencies.quantile(0.5),
        p95=latencies.quantile(0.95),
        longest=latencies.max_ms / 1000 if latencies.count else None,
        events=latencies.count,
        totals=model.totals,
    )


def _age_ms(stream: Measured, version: int, now_ms: int) -> int | None:
    """The age of the oldest event that is in ``stream`` behind ``version``, or not even there; None if unknown."""
    age_ms, oldest_ms = stream.age_at(now_ms), stream.oldest_behind(version)
    if age_ms is None or oldest_ms is None:
        return age_ms
    return max(now_ms - oldest_ms, age_ms)
