"""Examples for the OpenAPI document: of each body and answer one that a reader believes, made from its schema.

What a field or model declares as its example wins; the rest follows from its name and shape.  Tests hold each to its schema, and
those of bodies to the model that parses them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]
BY_FORMAT = {
    "uuid": "01993a5e-7c1b-7d3e-9a41-5f0c2b8e6d17",
    "date-time": "2026-11-20T09:00:00.000000Z",
    "date": "2026-11-20",
    "binary": "",
}
# What a member of this name most likely holds, where its schema says no more than that it is text or a number.
BY_NAME: Mapping[str, Any] = {
    "next_cursor": "opaque-and-signed",
    "position": 1207,
    "version": 3,
    "limit": 20,
    "skip": 0,
    "access_token": "header.claims.signature",
    "address": "192.0.2.7",
    "body": "The site has confirmed.",
    "code": "role-forbids",
    "currency": "EUR",
    "current_password": "correct horse battery",
    "description": "Ask for the lab results, too.",
    "detail": "must have 1 to 255 characters",
    "device_name": "Ward laptop",
    "duration": 30,
    "email": "ann@example.com",
    "field": "title",
    "full_name": "Ann Miller",
    "identifier": "ann@example.com",
    "locale": "en",
    "location": "Room 2",
    "minutes": 30,
    "name": "North Clinic",
    "new_email": "ann.miller@example.com",
    "new_password": "battery staple horse",
    "note": "By phone.",
    "notes": "Fasting.",
    "password": "correct horse battery",
    "pointer": "#/title",
    "projection": "tasks",
    "q": "visit 3",
    "reason": "A typing error.",
    "sku": "GLV-M",
    "summary": "Ann - task revised: title",
    "supplier": "Medical Supplies",
    "timezone": "Europe/Berlin",
    "title": "Call the site about visit 3",
    "token_type": "bearer",
    "unit": "box",
    "user_agent": "Mozilla/5.0",
    "username": "ann",
}
LEFT_OUT = ("reason",)  # every change may have one; told once, in its own description


def example_of(schema: Schema, schemas: Mapping[str, Any], name: str = "", *, of_body: bool = False) -> Any:
    """A value that the schema allows.  `schemas`: the document's components.  `of_body`: leave out what is better left out."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name, of_body=of_body)
    if told := schema.get("examples") or schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return told[0]
    if options := schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf"):
        return example_of(next((o for o in options if o.get("type") != "null"), options[0]), schemas, name, of_body=of_body)
    match schema.get("type"):
        case "object":
            return _object(schema, schemas, of_body=of_body)
        case "array":
            return _array(schema, schemas, name, of_body=of_body)
        case "string":
            return _text(schema, name)
        case "integer" | "number":
            return _number(schema, name)
        case "boolean":
            return bool(schema.get("default", False))
    return None


def _array(schema: Schema, schemas: Mapping[str, Any], name: str, *, of_body: bool) -> list[Any]:
    if not schema.get("items") or not schema.get("maxItems", 1):
        return []
    return [example_of(schema["items"], schemas, name.removesuffix("s"), of_body=of_body)]


def _object(schema: Schema, schemas: Mapping[str, Any], *, of_body: bool) -> dict[str, Any]:
    required = schema.get("required", ())
    members: dict[str, Any] = {name: m for name, m in schema.get("properties", {}).items() if name in required or not _says_nothing(m)}
    chosen = [name for name in members if name in required or not (of_body and name in LEFT_OUT)]
    return {name: example_of(members[name], schemas, name, of_body=of_body) for name in chosen or members}


def _says_nothing(member: Schema) -> bool:
    """Anything goes there, since it is ignored."""
    return not member.keys() & {"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const", "examples"}


def _text(schema: Schema, name: str) -> str:
    if (found := BY_FORMAT.get(schema.get("format", ""))) is not None:
        return found
    if isinstance(schema.get("default"), str) and schema["default"]:
        return str(schema["default"])
    text = BY_NAME.get(name)
    text = text if isinstance(text, str) else name.replace("_", " ") or "text"
    return text[: schema.get("maxLength", len(text))]


def _number(schema: Schema, name: str) -> Any:
    given = BY_NAME.get(name)
    number = given if isinstance(given, int) else schema.get("default") or 1
    least = schema.get("minimum", schema.get("exclusiveMinimum", number - 1) + 1)
    return min(max(number, least), schema.get("maximum", max(number, least)))
