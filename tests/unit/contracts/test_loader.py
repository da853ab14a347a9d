"""Reading contracts: what is valid loads, and each mistake is told with file, line, value and what would be valid."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.contracts import ContractError, find_contract, load_contract, load_contracts

SHIPPED = Path(__file__).parents[3] / "streaming" / "contracts"

Refused = Callable[..., list[str]]
Write = Callable[..., Path]


def test_the_shipped_contract_loads() -> None:
    (orders,) = [contract for contract in load_contracts(SHIPPED) if contract.table == "raw.orders"]
    assert orders.source.topic == "orders.events"
    assert [column.name for column in orders.columns] == [
        "order_id",
        "customer_id",
        "amount_cents",
        "status",
        "event_time",
        "currency",
        "created_at",
    ]
    assert orders.column("currency").default == "USD"
    assert orders.column("created_at").default_from == "event_time"


def test_the_smallest_contract_loads(write: Write) -> None:
    assert load_contract(write()).table == "raw.visits"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("owner: team:web", "owner: team:web\nfreshnes: 1 s", "freshnes: unknown key. Did you mean 'freshness'? Valid"),
        (
            "topic: visits",
            "topic: visits\n  tpic: x",
            "source.tpic: unknown key. Did you mean 'topic'? Valid keys: catch_up_offsets_per_trigger",
        ),
        ("type: int", "type: int\n    requird: true", "columns.2.requird: unknown key. Did you mean 'required'? Valid"),
        ("column: at", "column: at\n  zone: UTC", "event_time.zone: unknown key. Valid keys: allowed_lateness"),
    ],
)
def test_an_unknown_key_is_refused_with_the_valid_ones(refused: Refused, old: str, new: str, expected: str) -> None:
    (problem,) = refused(old, new, at=new.splitlines()[1])
    assert problem.startswith(expected)


@pytest.mark.parametrize("duration", ["60", "soon", "1 fortnight", "-1 min", "0 s", "99999999999999 days"])
@pytest.mark.parametrize("field", ["freshness: 1 minute", "retention: 30 days"])
def test_a_bad_duration_is_refused_with_the_units(refused: Refused, field: str, duration: str) -> None:
    name = field.partition(":")[0]
    (problem,) = refused(field, f"{name}: {duration}")
    assert problem.startswith(f"{name}: ")
    assert duration in problem
    assert "ms, s, min, h, d" in problem


@pytest.mark.parametrize("kind", ["int64", "INT", "decimal(10,2)", "12"])
def test_an_unknown_type_is_refused_with_the_valid_ones(refused: Refused, kind: str) -> None:
    (problem,) = refused("type: int", f"type: {kind}")
    assert problem.startswith("columns.2.type: ")
    assert kind in problem
    for valid in ("string", "boolean", "int", "bigint", "double", "date", "timestamp"):
        assert f"'{valid}'" in problem


@pytest.mark.parametrize(
    ("old", "new", "valid"),
    [
        ("owner: team:web", "engine: kafka\nowner: team:web", "'auto', 'spark' or 'flink'"),
        ("owner: team:web", "on_invalid: ignore\nowner: team:web", "'quarantine', 'drop' or 'fail'"),
        ("topic: visits", "format: avro\n  topic: visits", "'json'"),
        ("topic: visits", "starting_offsets: newest\n  topic: visits", "'earliest' or 'latest'"),
        ("topic: visits", "max_offsets_per_trigger: 0\n  topic: visits", "greater than or equal to 1"),
    ],
)
def test_a_choice_that_there_is_not_is_refused_with_the_choices(
    refused: Refused, old: str, new: str, valid: str
) -> None:
    field, _, value = new.splitlines()[0].partition(": ")
    (problem,) = refused(old, new)
    assert f"{field}: " in problem
    assert value in problem
    assert valid in problem


@pytest.mark.parametrize("field", ["table", "description", "owner", "freshness", "retention", "keys"])
def test_a_field_that_must_be_given_is_missed(smallest: str, write: Write, field: str) -> None:
    text = "\n".join(line for line in smallest.splitlines() if not line.startswith(f"{field}:"))
    file = write(text)
    if field == "keys":
        load_contract(file)
        return
    with pytest.raises(ContractError) as error:
        load_contract(file)
    assert str(error.value) == f"{file}:1: {field}: is missing"


def test_a_missing_event_time_is_missed(refused: Refused) -> None:
    assert refused("event_time:\n  column: at\n", "", at="table:") == ["event_time: is missing"]


@pytest.mark.parametrize("field", ["name", "type"])
def test_a_column_without_name_or_type_is_told_at_the_column(write: Write, smallest: str, field: str) -> None:
    lines = smallest.splitlines()
    at = next(number for number, line in enumerate(lines) if "name: seconds" in line)
    kept = {"name": "  - type: int", "type": "  - name: seconds"}[field]
    file = write("\n".join([*lines[:at], kept, *lines[at + 2 :]]))
    with pytest.raises(ContractError) as error:
        load_contract(file)
    assert str(error.value) == f"{file}:{at + 1}: columns.2.{field}: is missing"


@pytest.mark.parametrize(
    ("old", "new", "field", "at"),
    [
        ("column: at", "column: att", "event_time.column", None),
        ("keys: [visit_id]", "keys: [att]", "keys.0", None),
        ("keys: [visit_id]", "keys: [visit_id]\npartition_by: [att]", "partition_by.0", "[att]"),
        ("type: int", "type: int\n    default_from: att", "columns.2.default_from", "default_from"),
    ],
)
def test_a_reference_to_no_column_is_refused_with_the_columns(
    refused: Refused, old: str, new: str, field: str, at: str | None
) -> None:
    assert refused(old, new, at=at) == [f"{field}: 'att' is no column. Columns: visit_id, at, seconds"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("column: at", "column: visit_id"), ("column: at", "column: seconds")],
)
def test_event_time_has_to_be_a_timestamp(refused: Refused, old: str, new: str) -> None:
    (problem,) = refused(old, new)
    assert problem.endswith("has to be a required column of type timestamp")


def test_event_time_has_to_be_required(refused: Refused) -> None:
    (problem,) = refused("type: timestamp\n    required: true", "type: timestamp", at="column: at")
    assert problem == "event_time.column: 'at' has to be a required column of type timestamp"


def test_a_column_declared_twice_is_refused_at_the_second(refused: Refused) -> None:
    (problem,) = refused("name: seconds", "name: visit_id # again", at="name: visit_id # again")
    assert problem == "columns.2.name: column 'visit_id' is declared twice"


@pytest.mark.parametrize(
    "name",
    [
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "kafka_timestamp",
        "ingested_at",
        "raw_key",
        "raw_value",
        "reason",
    ],
)
def test_the_names_of_the_platforms_columns_are_reserved(refused: Refused, name: str) -> None:
    (problem,) = refused("name: seconds", f"name: {name}")
    assert problem == f"columns.2.name: column '{name}' is added by the platform: choose another name"


@pytest.mark.parametrize("name", ["Seconds", "2nd", "a-b", "a b", "_x"])
def test_a_column_name_is_a_plain_lower_case_word(refused: Refused, name: str) -> None:
    (problem,) = refused("name: seconds", f"name: {name}")
    assert problem == f"columns.2.name: '{name}' is not valid: should match ^[a-z][a-z0-9_]*$"


@pytest.mark.parametrize("table", ["visits", "Raw.visits", "raw.visits.today", "raw/visits"])
def test_a_table_name_is_schema_and_table(refused: Refused, table: str) -> None:
    (problem,) = refused("table: raw.visits", f"table: {table}")
    assert problem.startswith(f"table: '{table}' is not valid: should match ")


def test_columns_to_cluster_by_are_columns_that_nothing_is_partitioned_by(refused: Refused) -> None:
    change = "keys: [visit_id]\npartition_by: [visit_id]\ncluster_by: [visit_id]"
    (problem,) = refused("keys: [visit_id]", change, at="cluster_by: [visit_id]")
    assert problem == "cluster_by.0: column 'visit_id' is one of `partition_by` already"
    (problem,) = refused("keys: [visit_id]", "keys: [visit_id]\ncluster_by: [nothing]", at="cluster_by: [nothing]")
    assert problem.startswith("cluster_by.0: 'nothing' is no column")


def test_a_layout_of_files_that_makes_no_sense_is_refused(refused: Refused) -> None:
    change = "keys: [visit_id]\nmaintenance: {small_files: 1}"
    (problem,) = refused("keys: [visit_id]", change, at="maintenance: {small_files: 1}")
    assert problem.startswith("maintenance.small_files: 1 is not valid")


def test_a_check_that_there_is_not_is_refused_with_those_there_are(refused: Refused) -> None:
    (problem,) = refused("keys: [visit_id]", "keys: [visit_id]\nchecks: {lag: 5}", at="checks: {lag: 5}")
    assert problem.startswith("checks.lag: ")
    assert "Valid keys: checkpoint_age, consumer_lag, failures, late_ratio, quarantine_ratio" in problem


def test_a_key_listed_twice_is_refused(refused: Refused) -> None:
    assert refused("keys: [visit_id]", "keys: [visit_id, visit_id]") == ["keys.1: column 'visit_id' is listed twice"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("type: string\n    minimum: 1", "minimum and maximum go with a numeric type, not with 'string'"),
        ("type: int\n    minimum: 5\n    maximum: 1", "minimum 5 is above maximum 1: no value would be valid"),
        ("type: int\n    minimum: 1.5", "minimum 1.5 is no value of type int"),
        ("type: int\n    default: 1\n    default_from: x", "default and default_from exclude each other: keep one"),
        ("type: int\n    required: true\n    default: 1", "a required column has no default: drop required, or drop"),
        ("type: int\n    default: one", "default 'one' is no value of type int"),
        ("type: int\n    default: true", "default True is no value of type int"),
        ("type: int\n    default: 2147483648", "default 2147483648 is no value of type int"),
        ("type: int\n    minimum: 5\n    default: 1", "default 1 is below minimum 5"),
        ("type: int\n    maximum: 5\n    default: 7", "default 7 is above maximum 5"),
        ("type: bigint\n    default: 9223372036854775808", "default 9223372036854775808 is no value of type bigint"),
        ("type: boolean\n    default: 1", "default 1 is no value of type boolean"),
        ("type: string\n    default: 1", "default 1 is no value of type string"),
        ("type: double\n    default: .inf", "default inf is no value of type double"),
        ("type: date\n    default: 2026-13-01", "default '2026-13-01' is no value of type date"),
        ("type: timestamp\n    default: yesterday", "default 'yesterday' is no value of type timestamp"),
        ("type: timestamp\n    default: '2026-01-01'", "default '2026-01-01' is no value of type timestamp"),
    ],
)
def test_a_column_that_contradicts_itself_is_refused(refused: Refused, column: str, message: str) -> None:
    (problem,) = refused("type: int", column, at="name: seconds")
    assert problem.startswith(f"columns.2: {message}")


@pytest.mark.parametrize(
    "column",
    [
        "type: int\n    minimum: 0\n    maximum: 10\n    default: 10",
        "type: bigint\n    maximum: 9223372036854775807",
        "type: double\n    default: 5",
        "type: double\n    minimum: -1.5",
        "type: boolean\n    default: false",
        "type: date\n    default: 2026-01-31",
        "type: timestamp\n    default: 2026-01-31T00:00:00Z",
        "type: timestamp\n    default_from: at",
        "type: string\n    default: ''",
    ],
)
def test_a_column_may_have_a_range_and_a_default_of_its_type(write: Write, smallest: str, column: str) -> None:
    assert load_contract(write(smallest.replace("type: int", column))).columns[2].name == "seconds"


def test_a_default_is_copied_from_a_column_of_the_same_type(refused: Refused) -> None:
    (problem,) = refused("type: int", "type: int\n    default_from: visit_id", at="default_from")
    assert problem == "columns.2.default_from: column 'seconds' and 'visit_id' differ in type"


def test_a_default_is_not_copied_in_a_circle(refused: Refused) -> None:
    (problem,) = refused("type: int", "type: int\n    default_from: seconds", at="default_from")
    assert problem == ("columns.2.default_from: column 'seconds' would be copied from itself: seconds → seconds")


def test_all_mistakes_are_told_at_once(write: Write, smallest: str) -> None:
    file = write(smallest.replace("1 minute", "soon").replace("type: int", "type: float").replace("[visit_id]", "1"))
    with pytest.raises(ContractError) as error:
        load_contract(file)
    assert [problem.field for problem in error.value.problems] == ["freshness", "columns.2.type", "keys"]
    assert [problem.line for problem in error.value.problems] == [4, 16, 19]


class TestNotAContract:
    """Files that do not even get as far as the model."""

    def problem(self, file: Path) -> str:
        with pytest.raises(ContractError) as error:
            load_contract(file)
        assert str(error.value).startswith(f"{file}:")
        return str(error.value).removeprefix(f"{file}:")

    def test_a_missing_file_cannot_be_read(self, tmp_path: Path) -> None:
        assert "cannot be read" in self.problem(tmp_path / "none.yaml")

    def test_a_file_that_is_not_utf8_cannot_be_read(self, write: Write) -> None:
        assert "cannot be read" in self.problem(write(b"table: \xff"))

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
    def test_an_empty_file_is_told_how_to_start(self, write: Write, text: str) -> None:
        assert self.problem(write(text)) == "1: is empty: expected a contract, starting with `table:`"

    @pytest.mark.parametrize("text", ["- a\n- b\n", "hello\n"])
    def test_a_list_or_a_word_is_no_contract(self, write: Write, text: str) -> None:
        assert self.problem(write(text)) == "1: is no mapping: expected a contract, starting with `table:`"

    def test_yaml_that_cannot_be_read_is_told_with_its_line(self, write: Write) -> None:
        assert self.problem(write("table: raw.visits\nowner: [a\n")).startswith("3: is not YAML: ")

    def test_a_second_document_is_refused(self, write: Write, smallest: str) -> None:
        problem = self.problem(write(smallest + "---\na: 1\n"))
        assert "is not YAML: expected a single document" in problem

    def test_a_control_character_is_refused(self, write: Write, smallest: str) -> None:
        assert "is not YAML" in self.problem(write(smallest + "\0"))

    def test_a_tag_makes_no_object(self, write: Write, smallest: str) -> None:
        problem = self.problem(write(smallest.replace("team:web", "!!python/name:os.system ''")))
        assert problem.startswith("3: is not YAML: ")

    def test_a_value_that_its_tag_does_not_fit_is_refused(self, write: Write, smallest: str) -> None:
        assert "is not YAML" in self.problem(write(smallest.replace("team:web", "!!int twelve")))

    @pytest.mark.parametrize("key", ["1", "on", "null", "1.5"])
    def test_a_key_that_is_not_text_is_refused_in_its_line(self, write: Write, smallest: str, key: str) -> None:
        assert self.problem(write(f"{smallest}{key}: x\n")) == (
            f"20: {key!r} stands as a key: expected text; put it in quotes"
        )

    def test_an_unquoted_template_is_refused_in_its_line(self, write: Write, smallest: str) -> None:
        problem = self.problem(write(smallest.replace("team:web", "{{ owner }}")))
        assert problem == "3: 'a mapping or a list' stands as a key: expected text; put it in quotes"

    def test_a_list_that_holds_itself_is_refused_in_its_line(self, write: Write, smallest: str) -> None:
        problem = self.problem(write(smallest.replace("keys: [visit_id]", "keys: &keys [*keys]")))
        assert problem == "19: holds itself: a contract is a tree"

    def test_every_key_given_twice_is_told_in_its_line(self, write: Write, smallest: str) -> None:
        problems = self.problem(write(smallest.replace("type: int", "type: int\n    type: bigint") + "owner: me\n"))
        file, lines = "visits.yaml", problems.splitlines()
        assert lines[0] == "17: type: is given twice: keep one"
        assert lines[1].endswith(f"{file}:21: owner: is given twice: keep one")


class TestADirectory:
    def test_contracts_come_ordered_by_table(self, write: Write, smallest: str, tmp_path: Path) -> None:
        write(smallest.replace("raw.visits", "raw.z"), "a.yaml")
        write(smallest.replace("raw.visits", "raw.a"), "z.yaml")
        assert [contract.table for contract in load_contracts(tmp_path)] == ["raw.a", "raw.z"]

    @pytest.mark.parametrize("exists", [True, False])
    def test_a_directory_without_contracts_is_refused(self, tmp_path: Path, exists: bool) -> None:
        directory = tmp_path if exists else tmp_path / "none"
        with pytest.raises(ContractError, match=r"holds no \*\.yaml file") as error:
            load_contracts(directory)
        assert str(directory) in str(error.value)

    @pytest.mark.parametrize("beside", [True, False])
    def test_a_file_that_ends_in_yml_is_refused_with_the_command_that_renames_it(
        self, write: Write, tmp_path: Path, beside: bool
    ) -> None:
        if beside:
            write()
        other = write(name="more.yml")
        with pytest.raises(ContractError) as error:
            load_contracts(tmp_path)
        assert str(error.value) == (
            f"{other}:1: is not read: contracts end in .yaml. Rename it: mv {other} {tmp_path / 'more.yaml'}"
        )

    def test_the_problems_of_all_files_are_told(self, write: Write, smallest: str, tmp_path: Path) -> None:
        one = write(smallest.replace("1 minute", "soon"), "one.yaml")
        two = write(smallest.replace("type: int", "type: float"), "two.yaml")
        write(smallest, "three.yaml")
        with pytest.raises(ContractError) as error:
            load_contracts(tmp_path)
        assert [problem.file for problem in error.value.problems] == [one, two]

    def test_two_contracts_for_one_table_are_refused_naming_both_files(
        self, write: Write, smallest: str, tmp_path: Path
    ) -> None:
        write(smallest, "one.yaml")
        two = write(smallest, "two.yaml")
        with pytest.raises(ContractError) as error:
            load_contracts(tmp_path)
        assert str(error.value) == f"{two}:1: table: 'raw.visits' is already declared in one.yaml"

    def test_a_contract_cannot_take_the_quarantine_table_of_another(
        self, write: Write, smallest: str, tmp_path: Path
    ) -> None:
        write(smallest, "visits.yaml")
        other = write(smallest.replace("raw.visits", "raw.visits_rejected"), "rejected.yaml")
        with pytest.raises(ContractError) as error:
            load_contracts(tmp_path)
        assert str(error.value) == (
            f"{other}:1: table: 'raw.visits_rejected' is a table of raw.visits (visits.yaml) already: "
            "choose another name"
        )

    def test_a_contract_is_found_by_its_table(self, write: Write, tmp_path: Path) -> None:
        write()
        assert find_contract(tmp_path, "raw.visits").source.topic == "visits"

    def test_a_table_without_contract_is_told_with_those_there_are(
        self, write: Write, smallest: str, tmp_path: Path
    ) -> None:
        write()
        write(smallest.replace("raw.visits", "raw.clicks"), "clicks.yaml")
        with pytest.raises(
            ContractError, match=r"no contract declares 'raw\.nope'. Declared: raw\.clicks, raw\.visits"
        ):
            find_contract(tmp_path, "raw.nope")
