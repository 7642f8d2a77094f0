"""Bytes to values: bodies, queries and ids of requests, each refused by the contract's names."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from pydantic import BaseModel, ValidationError

from domain.kernel.errors import NotFound
from infrastructure.http.problems import InvalidRequest, MalformedJson
from infrastructure.http.values import composed, fault_in_text

FAULTS_TOLD = 50
PARAMETER_LENGTH_MAX = 20_000  # characters: a cursor is long
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
NAME_TOLD = 200  # characters of a member's name in a pointer


def parsed_body(model: type[BaseModel], body: bytes) -> BaseModel:
    """Errors: MalformedJson, InvalidRequest."""
    try:
        orjson.loads(body)  # stricter than pydantic's parser, which takes NaN for a number
    except orjson.JSONDecodeError as error:
        if is_json(body):
            raise _unstorable() from None
        raise MalformedJson(why=str(error) if body else "there is none") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=True)
        if faults[0]["type"] == "json_invalid":
            raise _unstorable() from None
        raise InvalidRequest(_told("#", faults)) from None


def _unstorable() -> InvalidRequest:
    detail = "must not hold lone surrogates, numbers beyond any type, nor hundreds of levels"
    return InvalidRequest([{"pointer": "#", "detail": detail, "type": "unstorable"}])


def is_json(body: bytes) -> bool:
    """By the letter of RFC 8259, whatever anybody can do with it."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(body.decode(), parse_constant=refuse, parse_int=str, parse_float=str)
    except ValueError:
        return False
    except RecursionError:
        return _closes(body)
    return True


def _closes(body: bytes) -> bool:
    """Deeper than anybody reads: taken for JSON if as many brackets are closed as opened."""
    bare = _STRINGS.sub(b"", body)
    return bare.count(b"[") == bare.count(b"]") and bare.count(b"{") == bare.count(b"}")


def parsed_query(raw: bytes) -> dict[str, list[str]]:
    """Errors: InvalidRequest for what is no UTF-8."""
    try:
        return parse_qs(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except (UnicodeError, ValueError):
        raise InvalidRequest(
            [{"pointer": "#/query", "detail": "must be percent-encoded UTF-8, 200 members at most", "type": "query"}]
        ) from None


def parsed_parameters(model: type[BaseModel], repeatable: frozenset[str], raw: bytes) -> BaseModel:
    """Errors: InvalidRequest."""
    values: dict[str, Any] = {}
    for name, texts in parsed_query(raw).items() if raw else ():
        given = [_storable(name, text) for text in texts]
        if name in repeatable:
            values[name] = given
        elif len(given) > 1:
            raise InvalidRequest([{"pointer": f"#/query/{name}", "detail": "may be given once", "type": "repeated"}])
        else:
            values[name] = given[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidRequest(_told("#/query", error.errors(include_url=False, include_input=False))) from None


def _told(root: str, faults: Sequence[Any]) -> list[dict[str, str]]:
    """The first of them: an answer must not be many times as long as what was sent."""
    return [_fault(root, fault) for fault in faults[:FAULTS_TOLD]]


def _storable(name: str, text: str) -> str:
    """One line of text, normalized: whatever a parameter is for, no other text may reach it.  Errors: InvalidRequest."""
    if text.isascii() and text.isprintable():
        return text
    if fault := fault_in_text(text, multiline=False):
        raise InvalidRequest([{"pointer": f"#/query/{name}", "detail": fault, "type": "unstorable"}])
    try:
        return composed(text, PARAMETER_LENGTH_MAX)
    except ValueError as error:
        raise InvalidRequest([{"pointer": f"#/query/{name}", "detail": str(error), "type": "unstorable"}]) from None


def _fault(root: str, fault: Any) -> dict[str, str]:
    pointer = "/".join([root, *(str(part)[:NAME_TOLD].replace("~", "~0").replace("/", "~1") for part in fault["loc"])])
    return {"pointer": pointer, "detail": fault["msg"].removeprefix("Value error, "), "type": fault["type"]}


def path_id(name: str, value: str) -> UUID:
    """An id in a path; one that is no UUID names nothing."""
    try:
        if len(value) == 36:
            return UUID(value)
    except ValueError:
        pass  # answered below, like any other id that names nothing
    raise NotFound(kind=name.removesuffix("_id").replace("_", " "), id=value)


def path_name(name: str, value: str) -> str:
    """A name in a path; one that no text may hold names nothing."""
    if fault_in_text(value, multiline=False):
        raise NotFound(kind=name.replace("_", " "), id=value)
    return value
