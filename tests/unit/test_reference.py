"""The generated reference pages say everything the models say."""

from lakehouse.contracts.columns import Column
from lakehouse.contracts.model import Contract, KafkaSource
from lakehouse.reference import contract_page, settings_page
from lakehouse.settings import Settings


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
