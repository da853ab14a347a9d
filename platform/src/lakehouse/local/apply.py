"""Does a plan: the tables first, which the writers of before and after can both do with, then the writers.

For these it is `lakehouse up` over what runs, which restarts what contracts have changed: old writers end, engines let
go of the tables that leave them, new writers begin. What is done shows in what there is, and what is to run is noted:
killed at any point, it is run again.
"""

import configparser
import shlex
from collections.abc import Sequence
from functools import partial

from lakehouse.contracts import load_contracts
from lakehouse.local.journal import Journal
from lakehouse.local.programs import ENGINES, needed_names
from lakehouse.local.stack import Stack, Step
from lakehouse.local.supervisor import config_file
from lakehouse.plan import Plan
from lakehouse.plan.steps import AddColumns, CreateTable, SetProperties
from lakehouse.settings import Settings
from lakehouse.storage import Catalog, create_tables
from lakehouse.storage.create import apply_contract


def apply_steps(settings: Settings, stack: Stack, plan: Plan) -> list[Step]:
    """The steps that do ``plan``. To be run under the stack's lock, in which it was made; empty for a plan without any.

    While nothing of the stack runs, nothing is started: the next `lakehouse up` finds tables and checkpoints ready.
    """
    if not plan.changes:
        return []
    journal = Journal(settings)
    tables = sorted({s.table for s in plan.steps if isinstance(s, CreateTable | AddColumns | SetProperties)})
    steps = [Step("Tables", partial(alter_tables, settings, tables))] if tables else []
    alive = {name for name, state in stack.supervisor.states().items() if state.alive}
    running = alive | journal.programs()
    if not running:
        return [*steps, stack.change_engines()]
    needed = running & set(needed_names(load_contracts(settings.contracts_dir), monitoring=True))
    names = needed | {name for engine in plan.engines for name in ENGINES[engine]}
    return [
        *steps,
        Step("Journal", partial(_note, journal, names)),
        *stack.up(names, declared_rate(settings)),
    ]


def alter_tables(settings: Settings, tables: Sequence[str]) -> str:
    """Creates the tables of these contracts, and alters those there are. What is there is not done again: whoever did
    half of it before is gone on from.
    """
    catalog = Catalog.from_settings(settings)
    contracts = {contract.table: contract for contract in load_contracts(settings.contracts_dir)}
    for table in tables:
        apply_contract(catalog, contracts[table])
        create_tables(catalog, contracts[table])
    return ", ".join(tables)


def _note(journal: Journal, names: set[str]) -> str:
    journal.open(names)
    return f"{len(names)} programs are to run"


def declared_rate(settings: Settings) -> float:
    """The rate that the generator was started with: changing contracts does not change it."""
    parser = configparser.RawConfigParser()
    parser.read(config_file(settings), encoding="utf-8")
    command = shlex.split(parser.get("program:generator", "command", fallback=""))
    return float(command[command.index("--rate") + 1]) if "--rate" in command else settings.generator_rate
