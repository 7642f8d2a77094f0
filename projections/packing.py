"""Members of a row as bytes: what is read by the thousand and added up elsewhere goes through Postgres as it was packed when written."""

from __future__ import annotations

from struct import Struct

_CODES = {"i4": "i", "i8": "q", "V16": "16s"}  # numpy's names, and those of `struct`


class Packing:
    """Numbers (and 16 bytes of an id) one after the other, big-endian."""

    def __init__(self, **members: str) -> None:
        """`members`: name to i4, i8 or V16."""
        self.names = tuple(members)
        self.dtype = [(name, f">{code}") for name, code in members.items()]
        self._struct = Struct(">" + "".join(_CODES[code] for code in members.values()))

    def packed(self, *values: int | bytes) -> str:
        """As a bytea is written: `\\x` and hexadecimal digits.  Errors: struct.error for what does not fit."""
        return "\\x" + self._struct.pack(*values).hex()
