"""As much of JSON Schema as the configuration's schema uses, enough to check examples against it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

KNOWN = {
    "$schema", "$defs", "$comment", "title", "description", "default", "format", "writeOnly", "examples", "$ref",
    "type", "enum", "const", "anyOf", "properties", "required", "additionalProperties", "items", "prefixItems",
    "minItems", "maxItems", "minProperties", "maxLength",
    "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
}  # fmt: skip
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def errors(value: Any, schema: dict[str, Any], root: dict[str, Any], way: str = "") -> list[str]:
    """Return where a value does not fit a schema; raises on a keyword that is not known here."""
    assert set(schema) <= KNOWN, set(schema) - KNOWN
    if "$ref" in schema:
        definition = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return errors(value, definition, root, way)
    if "anyOf" in schema and all(errors(value, branch, root, way) for branch in schema["anyOf"]):
        return [f"{way}: fits no alternative"]
    return [*_kind(value, schema, way), *_bounds(value, schema, way), *_below(value, schema, root, way)]


def _kind(value: Any, schema: dict[str, Any], way: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{way}: not {kind}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{way}: not one of {schema['enum']}"
    if "const" in schema and (value != schema["const"] or isinstance(value, bool)):
        yield f"{way}: not {schema['const']}"


def _bounds(value: Any, schema: dict[str, Any], way: str) -> Iterator[str]:
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{way}: does not match"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{way}: too long"
    if isinstance(value, int | float):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        above, below = schema.get("exclusiveMinimum", value - 1), schema.get("exclusiveMaximum", value + 1)
        if not (low <= value <= high and above < value < below):
            yield f"{way}: out of bounds"
    if isinstance(value, list) and not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{way}: too short or too long"
    if isinstance(value, dict) and len(value) < schema.get("minProperties", 0):
        yield f"{way}: too short"


def _below(value: Any, schema: dict[str, Any], root: dict[str, Any], way: str) -> Iterator[str]:
    if isinstance(value, list):
        for place, item in enumerate(value):
            rule = schema["prefixItems"][place] if "prefixItems" in schema else schema.get("items", {})
            yield from errors(item, rule, root, f"{way}[{place}]")
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{way}.{name}: is missing" for name in schema.get("required", []) if name not in value)
        for name, item in value.items():
            if name in properties:
                yield from errors(item, properties[name], root, f"{way}.{name}")
            elif others is False:
                yield f"{way}.{name}: unknown key"
            elif isinstance(others, dict):
                yield from errors(item, others, root, f"{way}.{name}")
