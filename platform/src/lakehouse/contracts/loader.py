"""Reads contracts from YAML, with errors that say where and what to write instead."""

import difflib
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lakehouse.contracts.columns import Column
from lakehouse.contracts.model import Contract, EventTime, KafkaSource
from lakehouse.errors import LakehouseError

_MODELS: dict[str, type[BaseModel]] = {"source": KafkaSource, "columns": Column, "event_time": EventTime}


@dataclass(frozen=True)
class Problem:
    """One mistake in a contract. ``line`` counts from 1."""

    file: Path
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}: {where}{self.message}"


class ContractError(LakehouseError):
    """Contracts cannot be used as they are. ``problems`` holds every mistake found, not only the first."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def load_contract(file: Path) -> Contract:
    """The contract in ``file``. Raises ContractError with all its problems."""
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError([Problem(file, 1, "", f"cannot be read: {error}")]) from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError([Problem(file, line, "", f"is not YAML: {error.problem}")]) from error
    if not isinstance(root, yaml.MappingNode):
        raise ContractError([Problem(file, 1, "", "is empty: expected a contract, starting with `table:`")])
    _refuse_duplicate_keys(file, root)
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    try:
        return Contract.model_validate(values)
    except ValidationError as error:
        raise ContractError([_problem(file, root, details) for details in error.errors()]) from error


def load_contracts(directory: Path) -> list[Contract]:
    """All contracts of ``directory``, ordered by table. Raises ContractError with the problems of all files."""
    files = sorted(directory.glob("*.yaml"))
    if not files:
        raise ContractError(
            [Problem(directory, 1, "", "holds no *.yaml file: expected one contract a streaming table")]
        )
    problems: list[Problem] = []
    contracts: dict[str, tuple[Contract, Path]] = {}
    for file in files:
        try:
            contract = load_contract(file)
        except ContractError as error:
            problems += error.problems
            continue
        if contract.table in contracts:
            other = contracts[contract.table][1].name
            problems.append(Problem(file, 1, "table", f"{contract.table!r} is already declared in {other}"))
        contracts[contract.table] = (contract, file)
    if problems:
        raise ContractError(problems)
    return [contracts[table][0] for table in sorted(contracts)]


def find_contract(directory: Path, table: str) -> Contract:
    """The contract of ``table``. Raises ContractError naming the tables there are."""
    contracts = {contract.table: contract for contract in load_contracts(directory)}
    if table not in contracts:
        known = ", ".join(contracts)
        raise ContractError([Problem(directory, 1, "table", f"no contract declares {table!r}. Declared: {known}")])
    return contracts[table]


def _refuse_duplicate_keys(file: Path, node: yaml.Node) -> None:
    """YAML lets the last of two equal keys win, which hides a mistake."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(file, item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ContractError([Problem(file, key.start_mark.line + 1, key.value, "is given twice: keep one")])
            seen.add(key.value)
            _refuse_duplicate_keys(file, value)


def _problem(file: Path, root: yaml.MappingNode, details: ErrorDetails) -> Problem:
    location = details["loc"]
    field = ".".join(str(part) for part in location)
    return Problem(file, _line(root, location), field, _message(details))


def _line(root: yaml.Node, location: tuple[int | str, ...]) -> int:
    """The line of the deepest node that ``location`` still names; a missing key is reported at its parent."""
    node: yaml.Node = root
    line = root.start_mark.line
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
    return line + 1


def _message(details: ErrorDetails) -> str:
    value, kind = details["input"], details["type"]
    if kind == "extra_forbidden":
        return _unknown_key(details["loc"])
    if kind == "missing":
        return "is missing"
    text = details["msg"].removeprefix("Value error, ")
    if repr(value) in text or isinstance(value, dict):
        return text
    if kind == "string_pattern_mismatch":
        text = f"should match {details.get('ctx', {}).get('pattern')}"
    return f"{value!r} is not valid: {text}"


def _unknown_key(location: tuple[int | str, ...]) -> str:
    parents = [part for part in location[:-1] if isinstance(part, str)]
    model = _MODELS[parents[-1]] if parents else Contract
    valid = sorted(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), valid, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown key.{hint} Valid keys: {', '.join(valid)}"
