"""Times of alerts, for a test that cannot wait as long as they do."""

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def hastened(duration: str, haste: float) -> str:
    """``duration`` in Prometheus' words, divided by ``haste``, in whole seconds; never below one, unless it is none."""
    match = re.fullmatch(r"(\d+)([smhd])", duration)
    if match is None:
        raise ValueError(f"{duration!r} is not a number and one of the units {', '.join(_UNITS)}, as in '5m'")
    amount, unit = int(match[1]), match[2]
    if haste == 1 or amount == 0:
        return duration
    return f"{max(1, round(amount * _UNITS[unit] / haste))}s"
