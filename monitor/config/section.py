"""What all sections of the configuration have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from monitor.config.types import admits_bool
from monitor.redaction import redact


class Section(BaseModel):
    """A strict section: unknown keys are errors; neither errors nor ``repr`` show secrets."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool_as_number(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields.get(info.field_name or "")
        if isinstance(value, bool) and field is not None and not admits_bool(field.annotation):
            raise ValueError("true and false are of no use here; put it in quotes if it is meant as a text")
        return value

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return ((name, _redacted(value)) for name, value in super().__repr_args__())


def _redacted(value: object) -> object:
    """Mask what looks like a secret in texts, also inside lists and mappings."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    return value
