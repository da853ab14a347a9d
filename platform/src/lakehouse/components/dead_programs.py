"""Programs of streaming engines that their supervisor has given up: started again, a few times.

The supervisor starts a program that ends again by itself, until it has ended at once several times in a row. What was
wrong then, a full disk or a broker that was away, is often over some minutes later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lakehouse.local.programs import ENGINES
from lakehouse.local.supervisor import Supervisor

MOST, _WITHIN = 3, timedelta(hours=1)
#: The supervisor's word for a program that it starts no more. One that was stopped on purpose is STOPPED.
_GIVEN_UP = "FATAL"

#: When each program was started again, by name.
Revivals = Mapping[str, list[datetime]]


@dataclass(frozen=True)
class Revived:
    """What was done about programs that were given up.

    ``revivals`` are those to begin with the next time. ``hopeless`` are the programs that were started three times
    within an hour and are dead all the same, each with what the supervisor says of it.
    """

    revivals: Revivals
    started: tuple[str, ...] = ()
    hopeless: Mapping[str, str] = field(default_factory=dict)


def revive(supervisor: Supervisor, before: Revivals, now: datetime) -> Revived:
    """Starts what is given up, unless ``before`` has it started often enough."""
    recent = {name: [moment for moment in moments if now - moment < _WITHIN] for name, moments in before.items()}
    started, hopeless = [], {}
    states = supervisor.states()
    for name in [name for names in ENGINES.values() for name in names]:
        if name not in states or states[name].state != _GIVEN_UP:
            continue
        if len(recent.get(name, [])) >= MOST:
            hopeless[name] = states[name].detail
            continue
        supervisor.start(name)
        recent.setdefault(name, []).append(now)
        started.append(name)
    return Revived({name: moments for name, moments in recent.items() if moments}, tuple(started), hopeless)
