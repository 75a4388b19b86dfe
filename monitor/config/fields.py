"""Which sections lie where: walks over the models' annotations."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from monitor.config.model import Section
from monitor.config.problem import Steps


def options(annotation: Any) -> Iterator[Any]:
    """Yield what a field may hold, each alternative of a union by itself."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from options(get_args(annotation)[0])
    elif origin in {Union, types.UnionType}:
        for option in get_args(annotation):
            yield from options(option)
    else:
        yield annotation


def section_of(annotation: Any) -> tuple[type[Section] | None, str]:
    """Return the section that a field holds, and how: ``""``, ``"[]"`` in a list, ``".NAME"`` in a mapping."""
    for option in options(annotation):
        if isinstance(option, type) and issubclass(option, Section):
            return option, ""
        if get_origin(option) is list and (found := section_of(get_args(option)[0])[0]):
            return found, "[]"
        if get_origin(option) is dict and (found := section_of(get_args(option)[1])[0]):
            return found, ".NAME"
    return None, ""


def known_keys(root: type[Section], steps: Steps) -> tuple[str, ...]:
    """Return the keys of the section at ``steps``, nothing where no section stands.

    >>> from monitor.config.root import Config
    >>> known_keys(Config, ("models", 0, "windows", "daily"))[:2]
    ('size', 'slide')
    """
    section: type[Section] | None = root
    left = list(steps)
    while left and section is not None:
        field = fields_of(section).get(str(left.pop(0)))
        section, how = section_of(field.annotation) if field is not None else (None, "")
        if how:
            if not left:
                return ()
            left.pop(0)
    return () if section is None else tuple(fields_of(section))


def fields_of(section: type[Section]) -> dict[str, FieldInfo]:
    """Return the fields of a section by their names in the file.

    >>> from monitor.config.alerts import RouteConfig
    >>> "continue" in fields_of(RouteConfig)
    True
    """
    return {field.alias or name: field for name, field in section.model_fields.items()}
