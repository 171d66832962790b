"""A rate, and how far it can be believed (pure)."""

import math

Z_95 = 1.959964


def interval(hits: int, of: int) -> list[float] | None:
    """The 95 % interval of a rate, after Wilson (1927)."""
    if not of:
        return None
    rate, square = hits / of, Z_95 * Z_95
    centre = (rate + square / (2 * of)) / (1 + square / of)
    half = Z_95 / (1 + square / of) * math.sqrt(rate * (1 - rate) / of + square / (4 * of * of))
    return [max(0.0, centre - half) if hits else 0.0, min(1.0, centre + half) if hits < of else 1.0]
