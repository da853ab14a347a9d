"""Small models on Spark: what they say means what it means in DuckDB, and what Spark does not do is refused."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from tests.lakehouse_dbt import PROJECT, Lakehouse, SparkLakehouse, messages

pytestmark = pytest.mark.usefixtures("spark")
PROJECT_FILE = """
name: shop
version: "1.0.0"
config-version: 2
profile: lakehouse
on-run-start: ["{{ lakehouse_start_run() }}"]
on-run-end: ["{{ lakehouse_end_run() }}"]
"""


@pytest.fixture
def shop(tmp_path: Path, jars: Path) -> Path:
    """A project without a model; its tables are beside it."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT / "macros", project / "macros")
    for directory in ("models", "seeds"):
        (project / directory).mkdir()
    (project / "dbt_project.yml").write_text(PROJECT_FILE)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "jars").symlink_to(jars)
    return project


def build(shop: Path, kind: type[Lakehouse], *arguments: str) -> Lakehouse:
    lakehouse = kind(shop.parent, shop)
    result = lakehouse.dbt("build", "--full-refresh", *arguments)
    assert result.success, messages(result)
    return lakehouse


def told(shop: Path, *arguments: str) -> str:
    return messages(SparkLakehouse(shop.parent, shop).dbt(*(arguments or ("build",))))


def test_texts_are_what_duckdb_reads(shop: Path) -> None:
    sql = r"""select 'it''s' as quote, 'a\d' as backslash, '\' as last, '${a}' as variable,
        regexp_replace('a1', '\d', '') as digits, {{ dbt.split_part("'a|b'", "'|'", 2) }} as part,
        '{{ dbt.escape_single_quotes("it's") }}' as escaped -- it's
        """
    (shop / "models" / "texts.sql").write_text("{{ config(materialized='table') }}\n" + sql)
    held = [build(shop, kind).rows("SELECT * FROM marts.texts") for kind in (Lakehouse, SparkLakehouse)]
    assert held[0] == held[1] == [("it's", r"a\d", "\\", "${a}", "a", "b", "it's")]


def test_a_seed_has_the_same_columns_on_either_target(shop: Path) -> None:
    (shop / "seeds" / "things.csv").write_text("name,whole,broken,day,moment\na,1,1.5,2026-01-01,2026-01-01 12:00:00\n")
    held = []
    for kind in (Lakehouse, SparkLakehouse):
        lakehouse = build(shop, kind)
        types = {field.name: str(field.type) for field in lakehouse.table("marts.things").schema().fields}
        held.append((types, lakehouse.rows("SELECT * FROM marts.things")))
        shutil.rmtree(lakehouse.catalog.uri("marts.things"))
    assert held[0] == held[1]


def test_a_seed_whose_columns_change_replaces_the_table(shop: Path) -> None:
    seed = shop / "seeds" / "things.csv"
    seed.write_text("name,value\na,1\n")
    build(shop, Lakehouse)
    seed.write_text("name,value,day\na,x,2026-01-01\nb,,\n")
    lakehouse = build(shop, SparkLakehouse)
    types = {field.name: str(field.type) for field in lakehouse.table("marts.things").schema().fields}
    assert list(types) == ["name", "value", "day"]
    assert (types["value"], types["day"]) == ('PrimitiveType("string")', 'PrimitiveType("date")')
    assert lakehouse.rows("SELECT * FROM marts.things ORDER BY ALL") == [
        ("a", "x", date(2026, 1, 1)),
        ("b", None, None),
    ]
    before = lakehouse.version("marts.things")
    build(shop, SparkLakehouse)
    assert lakehouse.version("marts.things") == before, "the very same rows are not written again"


def test_a_model_that_fails_says_why_in_few_words_and_leaves_nothing(shop: Path) -> None:
    (shop / "models" / "wrong.sql").write_text(
        "{{ config(materialized='table') }}\nselect cast(id || 'x' as int) as a from range(3)"
    )
    said = told(shop)
    assert "CAST_INVALID_INPUT" in said
    assert "\tat " not in said
    assert not list(shop.parent.rglob("_staging/**/*.parquet"))


@pytest.mark.parametrize("materialized", ["table", "view"])
def test_a_contract_that_is_broken_is_told_by_columns(shop: Path, materialized: str) -> None:
    config = f"{{{{ config(materialized='{materialized}') }}}}\n"
    (shop / "models" / "m.sql").write_text(config + "select cast(1 as bigint) as a")
    (shop / "models" / "m.yml").write_text(
        "models: [{name: m, config: {contract: {enforced: true}}, columns: [{name: a, data_type: integer}]}]"
    )
    said = told(shop)
    assert "enforced contract that failed" in said
    assert "BIGINT" in said
    assert not list(shop.parent.rglob("_staging/**/*.parquet"))


def test_a_python_model_is_refused_with_the_command_that_builds_it(shop: Path) -> None:
    (shop / "models" / "m.py").write_text(
        "def model(dbt, session):\n    dbt.config(materialized='table')\n    return None\n"
    )
    assert "dbt build --target local --select m" in told(shop)


def test_a_clone_is_refused_with_the_way_out(shop: Path, tmp_path: Path) -> None:
    (shop / "models" / "m.sql").write_text("{{ config(materialized='table') }}\nselect 1 as a")
    assert not told(shop, "parse")
    shutil.copytree(tmp_path / SparkLakehouse.artifacts, tmp_path / "before")
    assert "an environment is a root of its own" in told(shop, "clone", "--state", str(tmp_path / "before"))
