"""What an apply reads of the stack that it is to leave as it is."""

from lakehouse.contracts import load_contracts
from lakehouse.local.apply import apply_steps, declared_rate
from lakehouse.local.java import Java
from lakehouse.local.journal import Journal
from lakehouse.local.programs import declare_programs
from lakehouse.local.stack import Stack
from lakehouse.local.supervisor import config_file, render_config
from lakehouse.plan import Plan
from lakehouse.settings import Settings


def test_the_generator_keeps_the_rate_that_it_was_started_with(settings: Settings, java: Java) -> None:
    assert declared_rate(settings) == settings.generator_rate
    programs = declare_programs(settings, java, 1234.5, load_contracts(settings.contracts_dir))
    config_file(settings).parent.mkdir(parents=True)
    config_file(settings).write_text(render_config(settings, programs), encoding="utf-8")
    assert declared_rate(settings) == 1234.5


def test_a_plan_without_changes_does_nothing_at_all(settings: Settings) -> None:
    assert apply_steps(settings, Stack(settings), Plan(())) == []


def test_what_an_interrupted_apply_was_to_run_is_known_until_it_is_done(settings: Settings) -> None:
    journal = Journal(settings)
    assert journal.programs() == frozenset()
    journal.open({"kafka", "spark"})
    assert Journal(settings).programs() == {"kafka", "spark"}
    journal.close()
    assert journal.programs() == frozenset()
