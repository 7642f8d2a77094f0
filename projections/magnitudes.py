"""How large a number is: which of 7,296 ranges it lies in, none wider than a hundred and twenty-eighth of its numbers; and tallies of that.

Percentiles are found by these: they tell in which range a rank falls, and only the numbers in it have to be looked at.  A tally is two
bytes for up to eight numbers of one range: its thirteen bits, and in three bits how many they are, less one.
"""

from __future__ import annotations

from bisect import bisect_left

_BITS = 7
SINGLE = 2 << _BITS  # below this, a range is one number
RANGES = 64 - _BITS << _BITS  # up to 63 bits
COUNT_BITS = 3  # of a tally
MOST = 1 << COUNT_BITS  # that one tally counts
NO_TALLIES = "\\x"
_DIGITS = 4  # of a tally


def magnitude(number: int) -> int:
    """Of a whole number from 0 to 63 bits; never smaller for a greater one."""
    shift = max(0, number.bit_length() - _BITS - 1)
    return (shift << _BITS) + (number >> shift)


def least_of(found: int) -> int:
    """The least number of this magnitude; of RANGES, the one after the greatest."""
    shift = max(0, (found >> _BITS) - 1)
    return (found - (shift << _BITS)) << shift


def with_one(tallies: str, found: int) -> str:
    """One more of this magnitude.  Tallies are `\\x` and hexadecimal digits, and ascend; of those of one magnitude only the first may
    count fewer than MOST.
    """
    at = _place(tallies, found)
    tally = _tally(tallies, at)
    if tally >> COUNT_BITS == found and tally % MOST < MOST - 1:
        return f"{tallies[:at]}{tally + 1:0{_DIGITS}x}{tallies[at + _DIGITS :]}"
    return f"{tallies[:at]}{found << COUNT_BITS:0{_DIGITS}x}{tallies[at:]}"


def without_one(tallies: str, found: int) -> str:
    """One less of this magnitude, of which there must be some."""
    at = _place(tallies, found)
    tally = _tally(tallies, at)
    if tally >> COUNT_BITS != found:
        raise ValueError(f"there is no number of magnitude {found} to take out")
    less = f"{tally - 1:0{_DIGITS}x}" if tally % MOST else ""
    return f"{tallies[:at]}{less}{tallies[at + _DIGITS :]}"


def _place(tallies: str, found: int) -> int:
    """Where the first of this magnitude stands, or would."""
    first = f"{found << COUNT_BITS:0{_DIGITS}x}"
    digits = range(len(NO_TALLIES), len(tallies), _DIGITS)
    return len(NO_TALLIES) + _DIGITS * bisect_left(digits, first, key=lambda at: tallies[at : at + _DIGITS])


def _tally(tallies: str, at: int) -> int:
    """-1 at the end."""
    return int(tallies[at : at + _DIGITS] or "-1", 16)
