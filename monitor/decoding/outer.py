"""What stands around a record's value: key, headers, topic, timestamp, position."""

from __future__ import annotations

import base64
import binascii
import csv
from collections.abc import Mapping

from monitor.config.root import LimitsConfig
from monitor.decoding.cells import Values
from monitor.decoding.paths import WRONG, Path, follow
from monitor.decoding.plan import Unwrapping
from monitor.decoding.text import NotJsonError, exceeded, load
from monitor.events import Headers, Records


class Outer:
    """The outer parts of one ``Records``, decoded when first asked for.

    Parameters
    ----------
    records
        The raw records.
    decodes
        How texts at some paths are read further.
    limits
        Bounds on texts within texts.
    longest
        Bytes of the longest value.
    """

    def __init__(
        self, records: Records, decodes: Mapping[Path, Unwrapping], limits: LimitsConfig, longest: int
    ) -> None:
        self.longest = longest
        self._records = records
        self._decodes = decodes
        self._limits = limits
        self._found: dict[Path, Values] = {}

    def values(self, path: Path) -> Values:
        """Return what stands at a path, one value a record."""
        if path not in self._found:
            self._found[path] = self._read(path)
        return self._found[path]

    def _read(self, path: Path) -> Values:
        records = self._records
        match path.root:
            case "timestamp":
                return list(records.log_times)
            case "offset":
                return list(records.offsets)
            case "topic":
                return [records.topic] * len(records)
            case "partition":
                return [records.partition] * len(records)
        depth = 0 if path.root == "key" else 1
        head, rest = Path(path.root, path.steps[:depth]), path.steps[depth:]
        if rest:
            return [follow(value, rest) for value in self.values(head)]
        if path.root == "key":
            texts: Values = [_text(key) for key in records.keys]
        else:
            name = str(path.steps[0])
            texts = [_header(headers, name) for headers in records.headers] or [None] * len(records)
        how = self._decodes.get(path)
        return texts if how is None else [unwrap(text, how, self._limits) for text in texts]


def _text(raw: bytes | None) -> object:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return WRONG


def _header(headers: Headers, name: str) -> object:
    for key, raw in reversed(headers):  # a header that is repeated counts as its last
        if key == name:
            return _text(raw)
    return None


def unwrap(text: object, how: Unwrapping, limits: LimitsConfig) -> object:
    """Read a text within a text; ``WRONG`` where it is not what it should be.

    ``json`` gives the value; ``csv`` a list of rows, each a list of texts; ``base64`` the text in it; ``base64_json``
    the JSON value of that text.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        return WRONG
    try:
        if how == "csv":
            return list(csv.reader(text.splitlines(), strict=True))
        raw = text.encode() if how == "json" else base64.b64decode(text, validate=True)
        if exceeded(raw, limits) is not None:
            return WRONG
        return raw.decode() if how == "base64" else load(raw)[0]
    except (csv.Error, binascii.Error, UnicodeError, NotJsonError):
        return WRONG
