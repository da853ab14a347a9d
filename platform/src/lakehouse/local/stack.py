"""Brings the local stack up and down, as steps that a command line can show and time."""

import fcntl
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lakehouse.contracts import load_contracts
from lakehouse.errors import LakehouseError
from lakehouse.invocation import command
from lakehouse.local.applied import apply_files
from lakehouse.local.checks import check_machine
from lakehouse.local.customers import ensure_customers
from lakehouse.local.flink import job_manager
from lakehouse.local.jars import JAR_SETS, fetch_jars, jars_current
from lakehouse.local.java import Java, find_java
from lakehouse.local.kafka import ensure_topics, prepare_broker
from lakehouse.local.monitoring import check_tools, prepare_monitoring
from lakehouse.local.postgres import prepare_server
from lakehouse.local.processes import stale_processes, stop_processes
from lakehouse.local.programs import (
    MONITORING,
    PROGRAM_NAMES,
    Program,
    check_names,
    declare_programs,
    endpoints,
    needed_names,
)
from lakehouse.local.readiness import wait_until_ready
from lakehouse.local.supervisor import Supervisor
from lakehouse.plan.engines import change_engines
from lakehouse.settings import Settings


class BusyError(LakehouseError):
    """Another command is changing the same stack."""


class PartMissingError(LakehouseError):
    """A part was asked for without another that it needs."""


@dataclass(frozen=True)
class Step:
    """One step. ``run`` does it, and returns what there is to say about the outcome."""

    title: str
    run: Callable[[], str]


class Stack:
    """The stack of one state directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.supervisor = Supervisor(settings)

    def up(self, names: Collection[str], generator_rate: float) -> list[Step]:
        """The steps after which the programs ``names`` are ready. Those that run already are kept.

        Each step raises LakehouseError when it cannot be done. Raises UnknownProgramError for a name that is none,
        PartMissingError where a program needs another that neither runs nor is named, and ToolError where Java is
        missing.
        """
        check_names(names)
        java = find_java()
        alive = {name for name, state in self.supervisor.states().items() if state.alive}
        contracts = load_contracts(self._settings.contracts_dir)
        declared = declare_programs(self._settings, java, generator_rate, contracts)
        # Those alive are looked at too: a change of their declaration restarts them, unless no contract needs them now.
        kept = alive & set(needed_names(contracts, monitoring=True))
        wanted = [program for program in declared if program.name in {*names, *kept}]
        unused = [program.name for program in declared if program.name in alive - kept - set(names)]
        _check_needs(declared, {program.name for program in wanted}, names)
        by_name = {program.name: program for program in wanted}
        roles = [name for name in MONITORING if name in by_name]
        others = [program for program in wanted if program.name not in ("kafka", "postgres")]
        steps = [
            Step("This machine", partial(self._check, [program.name for program in wanted])),
            *([Step("Monitoring", partial(self._check_monitoring, roles))] if roles else []),
            *(Step(f"Jars of {jar_set}", partial(self._fetch, jar_set)) for jar_set in JAR_SETS),
            Step("Supervisor", partial(self._supervise, declared)),
            # What reads contracts has been stopped where these have changed.
            self.change_engines(),
            # After that: a JobManager ends the jobs that leave it.
            *(Step(f"Stop {name}", partial(self._stop_unused, name)) for name in reversed(unused)),
        ]
        if broker := by_name.get("kafka"):
            steps += [
                Step(broker.title, partial(self._start_broker, broker, java)),
                Step("Topics", self._create_topics),
            ]
        if postgres := by_name.get("postgres"):
            steps += [
                Step(postgres.title, partial(self._start_postgres, postgres)),
                Step("Customers", self._create_customers),
            ]
        if others:
            # Together, as their start-ups wait much on disks and on each other.
            steps.append(Step("Start", partial(self._start, others)))
        return [*steps, *(Step(program.title, partial(self._await, program)) for program in others)]

    def down(self) -> list[Step]:
        """The steps after which nothing of the stack runs, not even what an earlier crash left. May be empty."""
        states = self.supervisor.states()
        alive = [name for name in reversed(PROGRAM_NAMES) if name in states and states[name].alive]
        steps = [Step(f"Stop {name}", partial(self._stop, name)) for name in alive]
        if self.supervisor.is_running:
            steps.append(Step("Stop the supervisor", self._shutdown))
        if stale_processes(self._settings, self.supervisor.pid):
            steps.append(Step("Stop what a crash left", self._stop_stale))
        return steps

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keeps a second `up`, `apply` or `down` of the same stack out. Raises BusyError when one is at work."""
        self._settings.run_dir.mkdir(parents=True, exist_ok=True)
        with (self._settings.run_dir / "stack.lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(
                    f"another `up`, `apply` or `down` is at work on {self._settings.state_dir}. Wait for it to end, "
                    "or end it."
                ) from error
            yield

    def _check(self, names: Sequence[str]) -> str:
        check_machine(self._settings, self.supervisor, names)
        return "ports, disk and directories are fine"

    def _check_monitoring(self, roles: Sequence[str]) -> str:
        found = check_tools(roles)
        # Here, so that a mistake in what it is given is told before anything starts.
        prepare_monitoring(self._settings)
        return found

    def _fetch(self, jar_set: str) -> str:
        if jars_current(self._settings, jar_set):
            return "already there"
        directory = fetch_jars(self._settings, jar_set)
        return f"{len(list(directory.glob('*.jar')))} jars, verified"

    def _supervise(self, programs: Sequence[Program]) -> str:
        self.supervisor.ensure(programs)
        return f"pid {self.supervisor.pid}"

    def change_engines(self) -> Step:
        """The step after which each engine has let go of what is not its own any more: nothing of them may run.

        What is started from then on goes by the contracts as they are now.
        """
        return Step("Engines", self._change_engines)

    def _change_engines(self) -> str:
        contracts = load_contracts(self._settings.contracts_dir)
        left = change_engines(self._settings, job_manager(self._settings), contracts)
        apply_files(self._settings)
        return f"let go of {', '.join(left)}" if left else "as they were"

    def _start_broker(self, program: Program, java: Java) -> str:
        prepare_broker(self._settings, java)
        self.supervisor.start(program.name)
        return self._await(program)

    def _create_topics(self) -> str:
        created = ensure_topics(self._settings, load_contracts(self._settings.contracts_dir))
        return f"created {', '.join(created)}" if created else "already there"

    def _start_postgres(self, program: Program) -> str:
        prepare_server(self._settings)
        self.supervisor.start(program.name)
        return self._await(program)

    def _create_customers(self) -> str:
        created = ensure_customers(self._settings)
        return "already there" if created is None else f"created public.customers with {created:,} rows"

    def _start(self, programs: Sequence[Program]) -> str:
        for program in programs:
            self.supervisor.start(program.name)
        return ", ".join(program.name for program in programs)

    def _await(self, program: Program) -> str:
        wait_until_ready(self._settings, self.supervisor, program)
        return endpoints(self._settings)[program.name].url

    def _stop_unused(self, name: str) -> str:
        self.supervisor.stop(name)
        return "no contract asks for it any more"

    def _stop(self, name: str) -> str:
        self.supervisor.stop(name)
        return ""

    def _shutdown(self) -> str:
        self.supervisor.shutdown()
        return self._stop_stale()

    def _stop_stale(self) -> str:
        """Whatever a stopped program did not take with it ends here too."""
        stale = stale_processes(self._settings, self.supervisor.pid)
        stop_processes(process.pid for process in stale)
        return ", ".join(f"{process.program} pid {process.pid}" for process in stale)


def _check_needs(declared: Sequence[Program], wanted: Collection[str], names: Collection[str]) -> None:
    lacking = {program.name: set(program.needs) - set(wanted) for program in declared if program.name in wanted}
    missing = set().union(*lacking.values())
    if missing:
        told = "; ".join(f"{name} needs {', '.join(sorted(needs))}" for name, needs in lacking.items() if needs)
        together = ",".join(program.name for program in declared if program.name in {*names, *missing})
        raise PartMissingError(
            f"{told}, and of these nothing runs or is named. Start them together: {command(f'up --only {together}')}"
        )
