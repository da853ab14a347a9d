"""Reads contracts from YAML, with errors that say where and what to write instead."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lakehouse.contracts.checks import Checks
from lakehouse.contracts.columns import Column
from lakehouse.contracts.maintenance import Maintenance
from lakehouse.contracts.model import AlsoTo, Contract, EventTime, OnInvalid
from lakehouse.contracts.part import Location, MisplacedError
from lakehouse.contracts.resolve import resolve
from lakehouse.contracts.source import KafkaSource
from lakehouse.contracts.transform import Transform
from lakehouse.contracts.workload import Circumstances
from lakehouse.errors import LakehouseError

_MODELS: dict[str, type[BaseModel]] = {
    "source": KafkaSource,
    "workload": Circumstances,
    "transform": Transform,
    "columns": Column,
    "event_time": EventTime,
    "also_to": AlsoTo,
    "checks": Checks,
    "maintenance": Maintenance,
}


_KEY_TAGS = frozenset({"tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"})


class _Loader(yaml.CSafeLoader):
    """Leaves dates as text, as the contract's columns take them, and as their errors can name them."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (the name and the type are PyYAML's)
        first: [(tag, shape) for tag, shape in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


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
        root = yaml.compose(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ContractError([Problem(file, 1, "", f"cannot be read: {error}")]) from error
    except yaml.YAMLError as error:
        raise ContractError([_syntax_problem(file, error)]) from error
    if not isinstance(root, yaml.MappingNode):
        found = "is empty" if root is None or root.value == "" else "is no mapping"
        raise ContractError([Problem(file, 1, "", f"{found}: expected a contract, starting with `table:`")])
    problems = list(_structure_problems(file, root, ()))
    if problems:
        raise ContractError(problems)
    try:
        values = _Loader("").construct_document(root)
    except yaml.YAMLError as error:
        raise ContractError([_syntax_problem(file, error)]) from error
    except ValueError as error:  # an explicit tag, such as `!!int twelve`
        raise ContractError([Problem(file, 1, "", f"is not YAML: {error}")]) from error
    try:
        return Contract.model_validate(values)
    except ValidationError as error:
        raise ContractError([_problem(file, root, details) for details in error.errors()]) from error


def load_contracts(directory: Path) -> list[Contract]:
    """All contracts of ``directory``, ordered by table. Raises ContractError with the problems of all files."""
    files = sorted(directory.glob("*.yaml"))
    if not files and not any(directory.glob("*.yml")):
        raise ContractError(
            [Problem(directory, 1, "", "holds no *.yaml file: expected one contract a streaming table")]
        )
    problems = [
        Problem(
            other, 1, "", f"is not read: contracts end in .yaml. Rename it: mv {other} {other.with_suffix('.yaml')}"
        )
        for other in sorted(directory.glob("*.yml"))
    ]
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
    return _resolved(contracts)


def _resolved(contracts: dict[str, tuple[Contract, Path]]) -> list[Contract]:
    """The contracts, each with what it takes from another. Raises ContractError where they do not go together."""
    problems: list[Problem] = []
    declared = {table: contract for table, (contract, _) in contracts.items()}
    resolved = []
    for contract, file in contracts.values():
        try:
            resolved.append(resolve(contract, declared))
        except MisplacedError as error:
            problems.append(_misplaced(file, error.location, str(error)))
    problems += _clashes(contracts)
    if problems:
        raise ContractError(problems)
    return sorted(resolved, key=lambda contract: contract.table)


def _clashes(contracts: dict[str, tuple[Contract, Path]]) -> Iterator[Problem]:
    """Tables that two contracts ask for: a table has one writer."""
    owners = {table: table for table in contracts}
    for contract, file in contracts.values():
        if contract.on_invalid is OnInvalid.QUARANTINE:
            if taken := contracts.get(contract.rejected_table):
                text = f"{contract.rejected_table!r} is a table of {contract.table} ({file.name}) already"
                yield _misplaced(taken[1], ("table",), f"{text}: choose another name")
            owners[contract.rejected_table] = contract.table
    for contract, file in contracts.values():
        if contract.late is not None:
            if owner := owners.get(contract.late):
                text = f"{contract.late!r} is a table of {owner} already: choose another name"
                yield _misplaced(file, ("late",), text)
            owners[contract.late] = contract.table


def _misplaced(file: Path, location: Location, message: str) -> Problem:
    root = yaml.compose(file.read_text(encoding="utf-8"), Loader=_Loader)
    return Problem(file, _line(root, location) if root else 1, ".".join(map(str, location)), message)


def find_contract(directory: Path, table: str) -> Contract:
    """The contract of ``table``. Raises ContractError naming the tables there are."""
    contracts = {contract.table: contract for contract in load_contracts(directory)}
    if table not in contracts:
        known = ", ".join(contracts)
        raise ContractError([Problem(directory, 1, "table", f"no contract declares {table!r}. Declared: {known}")])
    return contracts[table]


def _syntax_problem(file: Path, error: yaml.YAMLError) -> Problem:
    if not isinstance(error, yaml.MarkedYAMLError):
        return Problem(file, 1, "", f"is not YAML: {error}")
    line = error.problem_mark.line + 1 if error.problem_mark else 1
    text = ", ".join(part for part in (error.context, error.problem) if part)
    return Problem(file, line, "", f"is not YAML: {text}")


def _structure_problems(file: Path, node: yaml.Node, parents: tuple[yaml.Node, ...]) -> Iterator[Problem]:
    """What YAML allows and a contract does not. Of two equal keys YAML lets the last win, which hides a mistake."""
    if any(node is parent for parent in parents):
        yield Problem(file, node.start_mark.line + 1, "", "holds itself: a contract is a tree")
        return
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _structure_problems(file, item, (*parents, node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag not in _KEY_TAGS:
                text = key.value if isinstance(key, yaml.ScalarNode) else "a mapping or a list"
                yield Problem(file, line, "", f"{text!r} stands as a key: expected text; put it in quotes")
                continue
            if key.value in seen:
                yield Problem(file, line, key.value, "is given twice: keep one")
            seen.add(key.value)
            yield from _structure_problems(file, value, (*parents, node))


def _problem(file: Path, root: yaml.MappingNode, details: ErrorDetails) -> Problem:
    # A rule between two parts is checked on the whole, and says itself where it was broken.
    inner = details.get("ctx", {}).get("error")
    location = (*details["loc"], *inner.location) if isinstance(inner, MisplacedError) else details["loc"]
    field = ".".join(str(part) for part in location)
    return Problem(file, _line(root, location), field, _message(details))


def _line(root: yaml.Node, location: Location) -> int:
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


def _unknown_key(location: Location) -> str:
    parents = [part for part in location[:-1] if isinstance(part, str)]
    model = _MODELS[parents[-1]] if parents else Contract
    valid = sorted(model.model_fields)
    close = difflib.get_close_matches(str(location[-1]), valid, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown key.{hint} Valid keys: {', '.join(valid)}"
