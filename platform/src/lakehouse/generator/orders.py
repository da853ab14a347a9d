"""The model of an order: its life cycle, customer, amount and currency, for many orders at once.

An order is a 64-bit number. All that never changes about it (customer, amount, currency, clock skew) is a
function of that number, so open orders cost no memory beyond the number itself.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
F64 = NDArray[np.float64]
I8 = NDArray[np.int8]


class Status(IntEnum):
    """Where an order stands; the names, in lower case, are the values of `status`."""

    PLACED = 0
    PAID = 1
    SHIPPED = 2
    DELIVERED = 3
    CANCELLED = 4
    REFUNDED = 5


#: from → [(to, probability, median delay as a part of the lifetime)]. What is missing to 1 stays as it is.
TRANSITIONS: dict[Status, tuple[tuple[Status, float, float], ...]] = {
    Status.PLACED: ((Status.PAID, 0.92, 0.02), (Status.CANCELLED, 0.06, 0.05)),
    Status.PAID: ((Status.SHIPPED, 0.95, 0.28), (Status.CANCELLED, 0.02, 0.10), (Status.REFUNDED, 0.02, 0.15)),
    Status.SHIPPED: ((Status.DELIVERED, 0.98, 0.70), (Status.REFUNDED, 0.01, 1.0)),
    Status.DELIVERED: ((Status.REFUNDED, 0.04, 1.0),),
    Status.CANCELLED: (),
    Status.REFUNDED: (),
}
LONGEST_LIFE = 5
NO_EVENT = -1
_DELAY_SIGMA = 0.6
_LONGEST_DELAY = 4.0

#: code, weight, whether the field is left out of the message, price level in its smallest unit against US cents.
CURRENCIES: tuple[tuple[str, float, bool, float], ...] = (
    ("USD", 0.30, False, 1.0),
    ("USD", 0.15, True, 1.0),
    ("EUR", 0.27, False, 0.92),
    ("GBP", 0.12, False, 0.79),
    ("JPY", 0.07, False, 1.5),
    ("CHF", 0.05, False, 0.88),
    ("CAD", 0.04, False, 1.37),
)
_PRICE_LEVEL = np.array([level for *_, level in CURRENCIES])
_CURRENCY_BOUNDS = np.cumsum([weight for _, weight, *_ in CURRENCIES])[:-1]

_CUSTOMER_SKEW = 1.1
_SMALLEST_AMOUNT = 199
_LARGEST_AMOUNT = 50_000_000
_AMOUNT_TAIL = 1.25
_MEAN_SKEW_MS = 1500.0
_LARGEST_SKEW_MS = 20_000.0


def _next_status_table() -> tuple[F64, I8, F64]:
    bounds = np.full((len(Status), 3), np.inf)
    targets = np.full((len(Status), 4), NO_EVENT, dtype=np.int8)
    medians = np.zeros((len(Status), 4))
    for status, choices in TRANSITIONS.items():
        cumulative = np.cumsum([probability for _, probability, _ in choices])
        bounds[status, : len(choices)] = cumulative
        bounds[status, len(choices) :] = cumulative[-1] if choices else 0.0
        targets[status, : len(choices)] = [target for target, _, _ in choices]
        medians[status, : len(choices)] = [median for _, _, median in choices]
    return bounds, targets, medians


_BOUNDS, _TARGETS, _MEDIANS = _next_status_table()


def mix(numbers: U64, stream: int = 0) -> U64:
    """splitmix64's finalizer (Steele et al., 2014): a bijection of 64-bit numbers, another one for each ``stream``."""
    mixed: U64 = numbers + np.uint64((0x9E3779B97F4A7C15 * (stream + 1)) & 0xFFFFFFFFFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def uniform(numbers: U64, stream: int) -> F64:
    """One number in [0, 1) for each order; the same for the same order and stream."""
    return (mix(numbers, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def lives(orders: U64, rng: np.random.Generator) -> tuple[I8, F64]:
    """The whole life of each order: statuses and ages, each of shape (orders, LONGEST_LIFE).

    Statuses are padded with NO_EVENT; ages count from the placing, in lifetimes, and never fall.
    """
    statuses = np.full((len(orders), LONGEST_LIFE), NO_EVENT, dtype=np.int8)
    ages = np.zeros((len(orders), LONGEST_LIFE))
    spread = np.exp(_DELAY_SIGMA * rng.standard_normal((len(orders), LONGEST_LIFE))).clip(max=_LONGEST_DELAY)
    statuses[:, 0] = Status.PLACED
    for step in range(1, LONGEST_LIFE):
        current = statuses[:, step - 1]
        alive = current != NO_EVENT
        choice = (uniform(orders, 10 + step)[:, None] >= _BOUNDS[current]).sum(axis=1)
        statuses[:, step] = np.where(alive, _TARGETS[current, choice], NO_EVENT)
        ages[:, step] = ages[:, step - 1] + np.where(alive, _MEDIANS[current, choice] * spread[:, step], 0.0)
    return statuses, ages


def currency_codes(orders: U64) -> NDArray[np.intp]:
    """Index into CURRENCIES for each order."""
    return np.searchsorted(_CURRENCY_BOUNDS, uniform(orders, 1), side="right")


def amounts(orders: U64, currencies: NDArray[np.intp]) -> I64:
    """Pareto (continuous Zipf) amounts, in the smallest unit of the currency."""
    us_cents: F64 = _SMALLEST_AMOUNT * (1.0 - uniform(orders, 2)) ** (-1.0 / _AMOUNT_TAIL)
    local: I64 = (us_cents.clip(max=_LARGEST_AMOUNT) * _PRICE_LEVEL[currencies]).astype(np.int64)
    return local


def customer_bounds(customers: int) -> F64:
    """Cumulative Zipf probabilities of ``customers`` customers, for `customer_ranks`."""
    cumulative: F64 = np.cumsum(np.arange(1, customers + 1, dtype=np.float64) ** -_CUSTOMER_SKEW)
    cumulative /= cumulative[-1]
    return cumulative


def customer_ranks(orders: U64, bounds: F64) -> NDArray[np.intp]:
    """Who placed each order: 0 is the busiest customer."""
    return np.searchsorted(bounds[:-1], uniform(orders, 3), side="right")


def clock_skew_ms(orders: U64) -> I64:
    """How long before its turn an order's events happened: the ordinary out-of-orderness, 1.5 s on average.

    One value an order, so that its own events keep their order in event time.
    """
    return (-np.log1p(-uniform(orders, 4)) * _MEAN_SKEW_MS).clip(max=_LARGEST_SKEW_MS).astype(np.int64)
