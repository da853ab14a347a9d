"""What an alert is."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """CRITICAL: data is being lost, or will be; ERROR: a promise is broken; WARNING: look at it within days."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Alert:
    """One alerting rule. It fires when ``expr`` has had a result ``lasting`` for so long (Prometheus' words).

    ``table`` is given where the expression itself names none in a label. ``summary`` and ``description`` are templates
    of Prometheus; the description tells the value.
    """

    name: str
    expr: str
    lasting: str
    severity: Severity
    summary: str
    description: str
    table: str | None = None
    team: str | None = None
