"""The generated reference pages say everything the models say."""

from lakehouse.contracts.columns import Column
from lakehouse.contracts.model import Contract, KafkaSource
from lakehouse.contracts.rules import RED_FLAGS, RULES
from lakehouse.contracts.workload import MEANINGS
from lakehouse.observability.catalogue import PARTS
from lakehouse.reference import contract_page, metrics_page, rules_page, settings_page
from lakehouse.settings import Settings
from lakehouse_spark.metrics import QueryCollector
from lakehouse_spark.status import ApplicationStatus


def test_every_field_of_a_contract_is_described() -> None:
    page = contract_page()
    for model in (Contract, KafkaSource, Column):
        for name, field in model.model_fields.items():
            assert f"| `{name}` | " in page
            assert field.description
            assert field.description.replace("|", "\\|") in page


def test_every_setting_is_described_with_its_default() -> None:
    page = settings_page()
    for name, field in Settings.model_fields.items():
        assert f"| `LAKEHOUSE_{name.upper()}` | {field.description} |" in page
    assert "| `9092` |" in page


def test_every_rule_red_flag_and_answer_is_told_with_its_conditions_and_source() -> None:
    page = rules_page()
    for rule in RULES:
        when = "; ".join(map(str, rule.when)) or "always"
        assert f"| `{rule.name}` | {when} | {rule.engine} | {rule.text} | {rule.example} | {rule.source} |" in page
    for flag in RED_FLAGS:
        assert f"| `{flag.name}` | {', '.join(flag.engines)} | {flag.when} | {flag.text} | {flag.source} |" in page
    for answer, meaning in MEANINGS.items():
        assert f"| `{answer}` | {meaning} |" in page


def test_every_metric_is_described_with_its_labels() -> None:
    page = metrics_page()
    for part in PARTS:
        assert part.where in page
        for spec in part.specs:
            labels = f" {{{', '.join(spec.labels)}}}"
            assert f"| `{spec.name}`{labels} | {spec.kind} | {spec.unit} | {spec.meaning} | {spec.healthy} |" in page


def test_the_page_names_every_metric_that_the_spark_application_serves() -> None:
    served = {family.name for family in QueryCollector(ApplicationStatus, dict).collect()}
    described = {spec.name.removesuffix("_total") for part in PARTS for spec in part.specs}
    assert served <= described
