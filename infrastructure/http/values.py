"""Kinds of values that bodies and queries are made of: normalized, bounded, and told to the document."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from domain.kernel.zones import NAMES

# C0 but tab, LF and CR in text of several lines; DEL and C1; lone surrogates.
_LINE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Putting marks in order takes a time that grows with the square of their number; no language piles up so many (UAX 15, D3).
_MARKS = "".join(chr(c) for c in range(0x300, 0x1E94B) if unicodedata.combining(chr(c)))
_PILE = re.compile(f"[{_MARKS}]{{31}}")
_LONGER = 4  # at most so many times as long is a text before it is composed
_IN_LINE = r"\u0000-\u001f\u007f-\u009f"  # not to be in text of one line
_IN_LINES = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"


def fault_in_text(text: str, *, multiline: bool) -> str | None:
    """What is wrong with the characters, as the end of a sentence; None: nothing."""
    if (_LINES if multiline else _LINE).search(text):
        return "must not hold control characters or lone surrogates"
    return None


def is_blank(text: str) -> bool:
    """Whether there is nothing to see: spaces of any kind, and characters that only shape others."""
    return all(character.isspace() or unicodedata.category(character) == "Cf" for character in text)


def composed(text: str, most: int) -> str:
    """NFC, of a text that is bounded before it is looked at.  Errors: ValueError."""
    if len(text) > _LONGER * most:
        raise ValueError(f"must have at most {most} characters")
    if _PILE.search(text):
        raise ValueError("must not have more than 30 combining marks in a row")
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True, slots=True)
class Text:
    """Text with so many characters, NFC-normalized first: `Annotated[str, Text(1, 255)]`.  What must not be empty is not blank."""

    least: int
    most: int
    multiline: bool = False

    def check(self, text: str) -> str:
        """Errors: ValueError."""
        if not (text.isascii() and text.isprintable()):
            if fault := fault_in_text(text, multiline=self.multiline):
                raise ValueError(fault)
            text = composed(text, self.most)
        if not self.least <= len(text) <= self.most:
            raise ValueError(f"must have {self.least} to {self.most} characters")
        if self.least and is_blank(text):
            raise ValueError("must not be blank")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        refused = _IN_LINES if self.multiline else _IN_LINE
        pattern = rf"^[^{refused}]*[^{refused}\s][^{refused}]*$" if self.least else f"^[^{refused}]*$"
        return {**handler(schema), "minLength": self.least, "maxLength": self.most, "pattern": pattern}


def _utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("is beyond the years 1 to 9999 in UTC") from None


_DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _dated(value: Any) -> Any:
    if isinstance(value, str) and not _DATED.match(value):
        raise ValueError("must be a moment such as 2026-11-20T09:00:00Z")
    return value


class _IsoText:
    """Text alone, and no number in quotes: pydantic would take that for seconds since 1970."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        moment = core_schema.datetime_schema(tz_constraint="aware", strict=False)
        text = core_schema.chain_schema([core_schema.str_schema(), core_schema.no_info_before_validator_function(_dated, moment)])
        return core_schema.json_or_python_schema(text, core_schema.no_info_before_validator_function(_dated, moment))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


Instant = Annotated[AwareDatetime, _IsoText(), AfterValidator(_utc)]
"""A moment: ISO 8601 with offset in, UTC inside."""


def _whole_day(value: Any) -> Any:
    if not isinstance(value, str) or not _DATED.fullmatch(value):
        raise ValueError("must be a day such as 2026-11-20")
    return value


Day = Annotated[date, Strict(False), BeforeValidator(_whole_day)]
"""A day of the calendar: ISO 8601, nothing but the date."""


def _zone(name: str) -> str:
    if name not in NAMES:
        raise ValueError("must be an IANA time zone name, such as Europe/Berlin")
    return name


Zone = Annotated[str, AfterValidator(_zone), Field(examples=["Asia/Kolkata"])]
"""An IANA time zone name."""


FREE_DEPTH_MAX = 16
FREE_TEXT_MAX = 20_000  # characters


def _free(value: Any, depth: int = 0) -> Any:
    if depth > FREE_DEPTH_MAX:
        raise ValueError(f"must not be nested more than {FREE_DEPTH_MAX} levels deep")
    if isinstance(value, dict):
        return {_free(name): _free(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_free(inner, depth + 1) for inner in value]
    if isinstance(value, str):
        if fault := fault_in_text(value, multiline=True):
            raise ValueError(fault)
        return composed(value, FREE_TEXT_MAX)
    if isinstance(value, (int, float)) and not -(2**63) <= value < 2**63:
        raise ValueError("must not hold numbers beyond 64 bits")
    return value


FreeForm = AfterValidator(_free)
"""Members that nobody declared: text, numbers and depth are held to the same rules all the same."""


class OneOrMore:
    """A list, of which one value alone may stand without brackets: `Annotated[list[str], OneOrMore()]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(lambda value: value if isinstance(value, list) else [value], handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}


class Body(BaseModel):
    """Base of request bodies: exact types, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Parameters(BaseModel):
    """Base of query parameters: no unknown ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """Base of documented answers; what is sent is checked against them in tests."""

    model_config = ConfigDict(extra="forbid")


class ReasonBody(Body):
    """An optional body of a command that needs none."""

    reason: Annotated[str, Text(0, 1000, multiline=True)] | None = Field(
        None, description="Why; stored with the event.  X-Change-Reason wins."
    )


def iso(at: datetime | None) -> str | None:
    """UTC, six digits, `Z`: how every answer writes a moment."""
    return None if at is None else at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def json_bytes(body: Any) -> bytes:
    """An answer's body, with every moment in it written by `iso`."""
    return orjson.dumps(body, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)


def _plain(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else str(value)
