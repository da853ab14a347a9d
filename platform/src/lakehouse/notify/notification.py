"""What is told, and the ways to tell it."""

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lakehouse.errors import LakehouseError

_LOG = logging.getLogger(__name__)


class NotifyError(LakehouseError):
    """A notification could not be delivered. Its message holds no secret: an address that is one is not named."""


class Kind(StrEnum):
    """What happened."""

    FAILING = "failing"
    RECOVERED = "recovered"
    TEST = "test"


@dataclass(frozen=True)
class Notification:
    """``subject`` fits on one line; ``detail`` says why and what to do; ``link`` leads to where it is shown."""

    kind: Kind
    subject: str
    detail: str
    link: str

    @property
    def title(self) -> str:
        """The subject, with what happened first."""
        return f"{self.kind.value.capitalize()}: {' '.join(self.subject.split())}"


class Sink(Protocol):
    """A way to reach people. ``name`` is how messages speak of it."""

    name: str

    def send(self, notification: Notification) -> None:
        """Delivers ``notification``, trying again where that may help. Raises NotifyError."""


class LogSink:
    """Into the log of whoever sends."""

    name = "log"

    def send(self, notification: Notification) -> None:
        level = logging.WARNING if notification.kind is Kind.FAILING else logging.INFO
        _LOG.log(level, "%s\n%s\n%s", notification.title, notification.detail, notification.link)
