"""How two versions of a contract differ, field by field."""

from collections.abc import Mapping
from typing import Any

from lakehouse.plan.steps import Changed


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Changed, ...]:
    """The fields of contracts that differ, by their dotted names. A list's items go by their own names."""
    flat_before, flat_after = _flat(before), _flat(after)
    names = dict.fromkeys((*flat_after, *flat_before))
    return tuple(
        Changed(name, flat_before.get(name), flat_after.get(name))
        for name in names
        if flat_before.get(name) != flat_after.get(name)
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            flat |= {f"{prefix}{name}.{item['name']}": _item(item) for item in value}
        elif isinstance(value, list):
            flat[prefix + name] = ", ".join(map(str, value))
        else:
            flat[prefix + name] = str(value).lower() if isinstance(value, bool) else str(value)
    return flat


def _item(item: Mapping[str, Any]) -> str:
    """A column in a line: its type, then what else it says where that is not the default.

    By name: of two notes of the same contract the one may be sorted and the other not.
    """
    told = {name: value for name, value in item.items() if name not in ("name", "type") and value not in (False, "")}
    return ", ".join([str(item.get("type", "")), *(f"{name}: {value}" for name, value in sorted(told.items()))])
