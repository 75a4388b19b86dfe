"""The configuration's JSON Schema, for editors and for the reference."""

from __future__ import annotations

from typing import Any, Final

from monitor.config.root import Config
from monitor.config.types import format_budget, format_duration

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
VARIABLE: Final = {"type": "string", "pattern": r"\$\{"}
"""``${NAME}`` stands for any scalar."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file before variables are replaced.

    Defaults are written as the file writes them; every scalar also takes ``${NAME}``.

    >>> json_schema()["$defs"]["WindowConfig"]["properties"]["lateness"]["default"]
    '1m'
    """
    schema = Config.model_json_schema()
    for section in (schema, *schema["$defs"].values()):
        properties = section["properties"]
        section["properties"] = {name: _tidy(part) for name, part in properties.items()}
        section.pop("title", None)
    return {"$schema": DRAFT, "title": "Driftline configuration", **schema}


def _tidy(part: dict[str, Any]) -> dict[str, Any]:
    """Write one property's schema for people: no made-up titles, defaults as in the file, variables admitted."""
    tidy = _admit_variables({name: value for name, value in part.items() if name != "title"})
    default = tidy.get("default")
    if default is None or isinstance(default, dict):
        tidy.pop("default", None)
    elif tidy.get("$comment") == "duration":
        tidy["default"] = format_duration(default)
    elif tidy.get("$comment") == "budget":
        tidy["default"] = format_budget(default)
    return tidy


_FREE: Final = ({"type": "string"}, {"type": "null"}, {"type": "string", "format": "password", "writeOnly": True})
_WORDS: Final[tuple[str, ...]] = ("description", "default", "$comment", "examples")


def _admit_variables(part: dict[str, Any]) -> dict[str, Any]:
    """Let every scalar that is more than a text also be written as a variable."""
    about = {name: part[name] for name in _WORDS if name in part}
    rules = {name: value for name, value in part.items() if name not in about}
    if "anyOf" in rules:
        branches = list(rules["anyOf"])
        if not all(map(_is_scalar, branches)):
            branches = [_admit_variables(branch) for branch in branches]
        elif {"type": "string"} not in branches:
            branches.append(VARIABLE)
        return {**about, "anyOf": branches}
    for name in ("items", "additionalProperties"):
        if isinstance(rules.get(name), dict):
            rules[name] = _admit_variables(rules[name])
    if "prefixItems" in rules:
        rules["prefixItems"] = [_admit_variables(item) for item in rules["prefixItems"]]
    if _is_scalar(rules) and rules not in _FREE:
        return {**about, "anyOf": [rules, VARIABLE]}
    return {**about, **rules}


def _is_scalar(rules: dict[str, Any]) -> bool:
    return (
        "const" in rules or "enum" in rules or rules.get("type") in {"string", "integer", "number", "boolean", "null"}
    )
