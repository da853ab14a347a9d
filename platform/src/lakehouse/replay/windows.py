"""Which rows of a computed table a replay covers: whole windows, that are finished and whose events are all there."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakehouse.contracts.engine import Engine
from lakehouse.contracts.model import Contract
from lakehouse.contracts.output import OutputMode
from lakehouse.contracts.transform import Transform
from lakehouse.invocation import command
from lakehouse.kafka import Kafka
from lakehouse.observability.broker import Broker
from lakehouse.replay.cut import cut_of
from lakehouse.replay.errors import RangeGoneError, ReplayError
from lakehouse.replay.request import Request
from lakehouse.replay.scope import Scope
from lakehouse.storage.catalog import Catalog
from lakehouse_spark.broker import TopicOffsets
from lakehouse_spark.history import complete_from

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Windows:
    """Resolves a request for the table of ``contract``, which a transform computes."""

    catalog: Catalog
    contract: Contract
    broker: Broker
    kafka: Kafka
    request: Request

    def scope(self) -> tuple[Scope, dict[int, int]]:
        """The rows, and the offsets to begin to read at. Raises ReplayError, RangeGoneError and BrokerError."""
        transform = replayable(self.contract, self.request)
        cut = cut_of(self.catalog, self.contract, transform)
        if cut.finished is None:
            raise ReplayError(f"{self.contract.table} has no rows yet: there is nothing to compare a replay with.")
        step, lead, finished = cut.step, cut.lead, _down(cut.finished, cut.step)
        until = finished if self.request.until is None else _up(self.request.until, step)
        if until > finished:
            raise ReplayError(
                f"{self.contract.table}: rows up to {until:%Y-%m-%d %H:%M:%S} UTC were asked for, and those from "
                f"{finished:%Y-%m-%d %H:%M:%S} on may still change. Replay up to there: --to "
                f"{finished.isoformat()}"
            )
        since = None if self.request.since is None else _down(self.request.since, step)
        complete = self._complete_from(None if since is None else since - lead)
        if complete is not None and since is None:
            since = _up(complete + lead, step)
        if complete is not None and since is not None and since - lead < complete:
            first = _up(complete + lead, step)
            raise RangeGoneError(
                f"{self.contract.table}: rows from {since:%Y-%m-%d %H:%M:%S} UTC on were asked for, which are made of "
                f"events since {since - lead:%Y-%m-%d %H:%M:%S}; the topic holds every event since "
                f"{complete:%Y-%m-%d %H:%M:%S} only. Begin with the next whole one: --from {first.isoformat()}"
            )
        if since is not None and since >= until:
            raise ReplayError(
                f"{self.contract.table}: nothing to replay in {self.request}: rows before "
                f"{until:%Y-%m-%d %H:%M:%S} UTC are finished, and those from {since:%Y-%m-%d %H:%M:%S} on can be "
                "computed again. Wait, or begin earlier."
            )
        topic = self.contract.source.topic
        scope = Scope(topic=topic, column=cut.column, since=since, until=until)
        return scope, self._start(since, lead)

    def _complete_from(self, wanted: datetime | None) -> datetime | None:
        with TopicOffsets(self.kafka, self.contract.source.topic) as topic:
            return complete_from(topic, topic.beginning(topic.partitions()), wanted)

    def _start(self, since: datetime | None, lead: timedelta) -> dict[int, int]:
        """An event happens before the broker takes it: what is older than ``since`` to the broker is no part of it."""
        partitions = self.broker.partitions([self.contract.source.topic])
        offsets = (
            self.broker.beginnings(partitions)
            if since is None
            else self.broker.at(partitions, int((since - lead).timestamp() * 1000))
        )
        return {partition: offset for (_, partition), offset in offsets.items()}


def replayable(contract: Contract, request: Request) -> Transform:
    """The transform of ``contract``. Raises ReplayError, with the way there is instead, for one that cannot be
    computed in part.
    """
    transform = contract.transform
    assert transform is not None  # noqa: S101  (what has none is no computed table)
    if contract.resolved_engine is Engine.FLINK:
        anew = f"To compute all of it anew, move the table away, then {command(f'jobs start {contract.table} --anew')}"
    else:
        anew = f"To compute all of it anew, set `generation: {transform.generation + 1}` below `transform`."
    if contract.resolved_engine is Engine.FLINK and transform.window is None:
        raise ReplayError(
            f"{contract.table} is computed by Flink without `transform.window`: its rows are made of what a database "
            "or another topic held when each event came, which nobody can read again. " + anew
        )
    if contract.source.table is not None:
        raise ReplayError(
            f"{contract.table} is computed from the table {contract.source.table}, not from a topic: replay that one. "
            + anew
        )
    if transform.output_mode is OutputMode.COMPLETE:
        raise ReplayError(f"{contract.table} is one complete result, of which no part can be computed alone. {anew}")
    if transform.output_mode is OutputMode.UPDATE and transform.window is None:
        raise ReplayError(
            f"{contract.table} is updated by its keys and has no windows: what a row has summed up since its key came "
            f"first cannot be computed from a part of the events. {anew}"
        )
    if request.offsets is not None or request.quarantined:
        given = "--quarantined" if request.quarantined else "--offsets"
        raise ReplayError(
            f"{contract.table}: {given} goes with tables that hold events as they came; rows of this one are made of "
            "many events. Give a time (--from, --to) or --whole."
        )
    if not contract.keys:
        raise ReplayError(
            f"{contract.table} has no `keys` in its contract, by which its rows could be compared: give them. {anew}"
        )
    return transform


def _down(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step


def _up(moment: datetime, step: timedelta) -> datetime:
    return moment + (_EPOCH - moment) % step
