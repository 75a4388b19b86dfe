"""The reference file as text: its fields, its checksum, how it is laid out for readers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

FORMAT: Final = "driftline.reference"
VERSION: Final = 1

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
Counts: TypeAlias = list[Count]

_SURROGATE = re.compile("[\ud800-\udfff]")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REBUILD: Final = "build it again with: driftline reference build"


class InvalidReferenceError(ValueError):
    """A reference cannot be used. The text says which file, what is wrong and what to do."""

    def __init__(self, problem: str, remedy: str, path: Path | None = None) -> None:
        super().__init__(f"{path or 'reference'}: {problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy
        self.path = path

    def at(self, path: Path) -> InvalidReferenceError:
        """Return the same error with the file named."""
        return InvalidReferenceError(self.problem, self.remedy, path)


class WireSummary(msgspec.Struct):
    """Figures for display."""

    mean: float | None
    sd: float | None
    quantiles: dict[str, float]


class WireColumn(msgspec.Struct):
    """One column: counts are those of the bins, then of the quality cells."""

    importance: float
    summary: WireSummary | None
    bins: dict[str, Any]
    """As ``to_dict`` of the bins gives them."""
    counts: Counts
    apart: dict[str, Count] | None
    by_day: dict[str, Counts]
    by_hour: str | msgspec.UnsetType = msgspec.UNSET
    """Packed counts of the last days by hour and coarse cell, in base 64."""


class WireFlag(msgspec.Struct):
    """A yes-or-no column: counts of no, yes and missing."""

    counts: Counts
    by_day: dict[str, Counts]
    by_hour: str | msgspec.UnsetType = msgspec.UNSET


class WireVersion(msgspec.Struct, omit_defaults=True):
    """The counts of one model version; left out when it is the only one, for they are then those of all rows."""

    rows: Count
    counts: dict[str, Counts] | None = None
    apart: dict[str, dict[str, Count]] | None = None
    slices: list[Counts] | None = None
    """In the order of the file's ``slices``."""
    sums: dict[str, Counts] | None = None


class WireSlices(msgspec.Struct):
    """Rows by slice and by compact cell of one target."""

    by: list[str]
    target: str
    """Empty for the rows themselves."""
    identity: str
    """Hash of all that decides which row gets which cell."""
    counts: Counts


class WireVolume(msgspec.Struct, omit_defaults=True):
    """Rows by hour of the week, Monday 00:00 UTC first, how many such hours were seen, and the hours one by one."""

    rows: Counts
    hours: Counts
    first: str | None = None
    by_hour: Counts | None = None


class WireReference(msgspec.Struct):
    """The whole file."""

    format: Literal["driftline.reference"]
    version: int
    model: str
    created: str | None
    source: str
    rows: Count
    first: str | None
    last: str | None
    days: list[str]
    decision: str | None
    notes: list[str]
    volume: WireVolume | None
    columns: dict[str, WireColumn]
    flags: dict[str, WireFlag]
    versions: dict[str, WireVersion]
    slices: list[WireSlices] | msgspec.UnsetType = msgspec.UNSET
    projections: dict[str, dict[str, Any]] | msgspec.UnsetType = msgspec.UNSET
    """As ``to_dict`` of a projection gives them."""
    sums: dict[str, Counts] | msgspec.UnsetType = msgspec.UNSET
    """What is added up of the rows."""


def checksum(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the canonical JSON of all fields but ``checksum``.

    Canonical is: keys sorted, no spaces, ASCII only, floats as Python writes them.
    """
    rest = {name: value for name, value in document.items() if name != "checksum"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def document_of(wire: WireReference) -> dict[str, Any]:
    """Return plain values in the order of the file, sealed with their checksum."""
    plain: dict[str, Any] = msgspec.to_builtins(wire)
    head = {name: plain.pop(name) for name in ("format", "version")}
    return {**head, "checksum": checksum({**head, **plain}), **plain}


def write(document: Mapping[str, Any]) -> bytes:
    """Return the document as indented JSON, each array on one line."""
    text = "".join(_lines(document, "")) + "\n"
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def read(data: bytes) -> WireReference:
    """Return the fields of a file.

    Raises
    ------
    InvalidReferenceError
        When the data are no reference, were changed or cut, or come from a later format.
    """
    document = _parse(data)
    if document.get("format") != FORMAT:
        raise InvalidReferenceError(f"not a reference: its format is not {FORMAT!r}", _REBUILD)
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        problem = f"its format is version {version}, and this Driftline knows up to {VERSION}"
        raise InvalidReferenceError(problem, "upgrade Driftline, or build the reference with this one")
    try:
        expected = checksum(document)
        wire = msgspec.convert(document, WireReference)
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise InvalidReferenceError(f"a field is wrong: {error}", _REBUILD) from None
    if document.get("checksum") != expected:
        problem = "its checksum does not fit: it was edited or damaged"
        raise InvalidReferenceError(problem, f"restore the file, or {_REBUILD}")
    return wire


def moment_text(micros: int | None) -> str | None:
    """Return a time as RFC 3339 in UTC; ``None`` stays ``None``.

    >>> moment_text(1_793_491_200_000_001)
    '2026-11-01T00:00:00.000001Z'
    """
    if micros is None:
        return None
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def _parse(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        problem = "not readable as JSON: it is empty, cut off or damaged"
        raise InvalidReferenceError(problem, f"copy the file again, or {_REBUILD}") from None
    if not isinstance(document, dict):
        raise InvalidReferenceError("not a reference: the file holds no JSON object", _REBUILD)
    return document


def _lines(value: object, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        inner = indent + "  "
        opening = "{\n"
        for name, item in value.items():
            yield f"{opening}{inner}{json.dumps(name, ensure_ascii=False)}: "
            yield from _lines(item, inner)
            opening = ",\n"
        yield f"\n{indent}}}"
    else:
        yield json.dumps(value, ensure_ascii=False, allow_nan=False)
