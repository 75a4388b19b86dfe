"""``docs/reference/configuration.md``, written from the models so that it cannot go stale."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from monitor.config.fields import fields_of, section_of
from monitor.config.model import Section
from monitor.config.resolve import DETECTORS, VECTORS, WINDOWS
from monitor.config.root import Config
from monitor.config.schema import VARIABLE, json_schema
from monitor.config.types import format_duration

_HEAD: Final = """\
# Configuration

Written by `python -m monitor.config.document` from the code; do not edit.

One strict YAML file, or a folder of `*.yaml` files: mappings are merged, the lists of `models` are joined in the order
of the file names, and anything else that two files say differently is an error. Unknown keys and wrong types are
errors, all of them told at once as `file:line:column: path: problem`; the exit status is 78. A change needs a restart.

- `${NAME}` is an environment variable, an error when it is not set. `${NAME:-default}` has a default, also for an empty
  one. `$${` is a plain `${`. Keys are left as they are.
- `${file:/run/secrets/x}` is the content of a file without its last line end; a relative path starts at the
  configuration's folder.
- A scalar without quotes gets its type after it was replaced, as YAML would give it; where a text is wanted it stays
  text.
- Durations are whole numbers with units: `us`, `ms`, `s`, `m`, `h`, `d`, `w`, as in `1h30m`. Times are RFC 3339 with
  their offset. Sizes are bytes, or `512KiB`, `1MiB`, `1GB`.
- Errors never quote a value, because any may be a secret; what is printed elsewhere has secrets masked.
- `driftline schema` prints the JSON Schema; editors complete and check with it.
"""


def render() -> str:
    """Return the page."""
    schema = json_schema()
    parts = [_HEAD]
    for section, path in sections():
        definition = schema if section is Config else schema["$defs"][section.__name__]
        title = f"`{path}`" if path else "The file"
        rows = [_row(name, rules, section, schema["$defs"]) for name, rules in definition["properties"].items()]
        about = _line(definition.get("description", ""))
        parts.append(
            "\n".join([f"## {title}", "", about, "", "| key | type | default | |", "|---|---|---|---|", *rows, ""])
        )
        if section.__name__ == "DefaultsConfig":
            parts.append(_built_in())
    return "\n".join(parts)


def sections() -> Iterator[tuple[type[Section], str]]:
    """Yield every section once, in the order of the file, with its path."""
    seen: set[type[Section]] = set()
    waiting: list[tuple[type[Section], str]] = [(Config, "")]
    while waiting:
        section, path = waiting.pop(0)
        if section in seen:
            continue
        seen.add(section)
        yield section, path
        below = []
        for name, field in fields_of(section).items():
            found, how = section_of(field.annotation)
            if found is not None:
                below.append((found, f"{path}.{name}{how}" if path else f"{name}{how}"))
        waiting = below + waiting if section is not Config else _models_first(below)


def _models_first(below: list[tuple[type[Section], str]]) -> list[tuple[type[Section], str]]:
    """Put the models before ``defaults``, which shares their sections, so that those are told where they belong."""
    return sorted(below, key=lambda item: item[1] == "defaults")


def _row(name: str, rules: dict[str, Any], section: type[Section], definitions: dict[str, Any]) -> str:
    field = fields_of(section)[name]
    default = "required" if field.is_required() else _spell_default(rules, field.get_default(call_default_factory=True))
    about = rules.get("description") or definitions[rules["$ref"].rpartition("/")[2]]["description"]
    return f"| `{name}` | {_type(rules)} | {default} | {_line(about)} |"


def _spell_default(rules: dict[str, Any], default: object) -> str:
    if "default" in rules:
        default = rules["default"]
    if default is None or default in ({}, []) or isinstance(default, Section):
        return ""
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _type(rules: dict[str, Any]) -> str:
    if "$comment" in rules:
        return str(rules["$comment"])
    if "$ref" in rules:
        return "section"
    if "anyOf" in rules:
        shown = [_type(rule) for rule in rules["anyOf"] if rule != VARIABLE and rule.get("type") != "null"]
        return " or ".join(dict.fromkeys(shown))
    if "enum" in rules or "const" in rules:
        return ", ".join(f"`{word}`" for word in rules.get("enum", [rules.get("const")]))
    return _plain_type(rules)


def _plain_type(rules: dict[str, Any]) -> str:
    kind = rules.get("type")
    if kind == "array" and "prefixItems" in rules:
        return f"list of {len(rules['prefixItems'])} {_type(rules['prefixItems'][0])}s"
    if kind == "array":
        return f"list of {_type(rules['items'])}s"
    if kind == "object":
        return f"mapping to {_type(rules['additionalProperties'])}"
    if rules.get("format") == "password":
        return "secret"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return words[str(kind)] + _bounds(rules)


def _bounds(rules: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    told = [f"{sign} {rules[name]:g}" for name, sign in signs.items() if name in rules]
    return f" {', '.join(told)}" if told else ""


def _line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _built_in() -> str:
    windows = [
        f"- `{name}`: {format_duration(window.size)}, every {format_duration(window.slide or window.size)}, "
        f"lateness {format_duration(window.lateness)}"
        for name, window in WINDOWS.items()
    ]
    detectors = [
        f"- `{found.kind}` on {', '.join(found.on)}, {'window ' + found.window if found.window else 'every window'}, "
        f"warn {found.warn}, alert {found.alert}{' (with a vector)' if found is VECTORS else ''}"
        for found in (*DETECTORS, VECTORS)
    ]
    return "\n".join(["Without `windows` a model has", "", *windows, "", "and without `detectors`", "", *detectors, ""])


if __name__ == "__main__":
    sys.stdout.write(render())
