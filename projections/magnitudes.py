"""How large a number is, in two bytes: which of 55,296 ranges it lies in, none wider than a thousandth of its numbers.

Percentiles are found by these: sorted, they tell in which range a rank falls, and only the numbers in it have to be looked at.
"""

from __future__ import annotations

_BITS = 10
SINGLE = 2 << _BITS  # below this, a range is one number
RANGES = 54 << _BITS  # up to 63 bits


def magnitude(number: int) -> int:
    """Of a whole number from 0 to 63 bits; never smaller for a greater one."""
    shift = max(0, number.bit_length() - _BITS - 1)
    return (shift << _BITS) + (number >> shift)


def least_of(found: int) -> int:
    """The least number of this magnitude; of RANGES, the one after the greatest."""
    shift = max(0, (found >> _BITS) - 1)
    return (found - (shift << _BITS)) << shift
