"""The customers who place the generator's orders, as a shop's own database knows them."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakehouse.generator.orders import U64, uniform

#: One customer in so many is unknown to the database, as happens where orders and customers come from two systems.
UNKNOWN_ONE_IN = 100

SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("name", pa.string()),
        ("email", pa.string()),
        ("country", pa.string()),
        ("segment", pa.string()),
        ("is_active", pa.bool_()),
        ("created_at", pa.timestamp("us", tz="UTC")),
        ("updated_at", pa.timestamp("us", tz="UTC")),
    ]
)

_FIRST = ("Ada", "Amir", "Anna", "Bao", "Chloe", "David", "Elif", "Emma", "Hugo", "Ines", "Ivan", "Jonas", "Kofi",
          "Lena", "Liam", "Maria", "Mei", "Noah", "Olga", "Priya", "Rosa", "Sven", "Yuki", "Zoe")  # fmt: skip
_LAST = ("Abe", "Bauer", "Brown", "Cohen", "Costa", "Diaz", "Dubois", "Fischer", "Garcia", "Hansen", "Ivanov", "Jones",
         "Khan", "Kim", "Li", "Mensah", "Meyer", "Nguyen", "Novak", "Patel", "Rossi", "Sato", "Weber")  # fmt: skip
_COUNTRIES = {"US": 0.40, "DE": 0.15, "GB": 0.12, "FR": 0.10, "JP": 0.08, "CH": 0.06, "CA": 0.05, "BR": 0.04}
_SEGMENTS = {"consumer": 0.80, "business": 0.17, "enterprise": 0.03}
_ACTIVE = 0.95
#: Accounts were opened between these, and changed last between their opening and the second.
_OPENED = datetime(2020, 1, 1, tzinfo=UTC)
_SEEDED = datetime(2026, 1, 1, tzinfo=UTC)


def customer_ids(numbers: NDArray[np.integer]) -> pa.StringArray:
    """The identifiers of the customers ``numbers``, as orders carry them."""
    return pa.array([f"c-{number:06}" for number in numbers])


def customers(count: int) -> pa.Table:
    """The customers among the first ``count`` that the database knows; schema SCHEMA, always the same."""
    every = np.arange(count, dtype=np.uint64)
    known = every[uniform(every, 20) >= 1 / UNKNOWN_ONE_IN]
    first, last = _one_of(known, 21, _FIRST), _one_of(known, 22, _LAST)
    ids = customer_ids(known)
    local_part = pc.binary_join_element_wise(
        pc.utf8_lower(first), pc.utf8_lower(last), pc.utf8_slice_codeunits(ids, 2), "."
    )
    opened_us, seeded_us = (round(moment.timestamp()) * 1_000_000 for moment in (_OPENED, _SEEDED))
    created = opened_us + (uniform(known, 25) * (seeded_us - opened_us)).astype(np.int64)
    updated = created + (uniform(known, 26) * (seeded_us - created)).astype(np.int64)
    columns = [
        ids,
        pc.binary_join_element_wise(first, last, " "),
        pc.binary_join_element_wise(local_part, "example.com", "@"),
        _weighted(known, 23, _COUNTRIES),
        _weighted(known, 24, _SEGMENTS),
        pa.array(uniform(known, 27) < _ACTIVE),
        pa.array(created).cast(SCHEMA.field("created_at").type),
        pa.array(updated).cast(SCHEMA.field("updated_at").type),
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _one_of(numbers: U64, stream: int, choices: tuple[str, ...]) -> pa.StringArray:
    return pa.array(choices).take(pa.array((uniform(numbers, stream) * len(choices)).astype(np.int64)))


def _weighted(numbers: U64, stream: int, weights: dict[str, float]) -> pa.StringArray:
    bounds = np.cumsum(list(weights.values()))[:-1]
    return pa.array(list(weights)).take(pa.array(np.searchsorted(bounds, uniform(numbers, stream), side="right")))
