"""JSON texts: bounds that are checked before parsing, and the tolerant parser for what msgspec refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final, cast

import msgspec
import numpy as np

from monitor.config.root import LimitsConfig
from monitor.decoding.reasons import Reason
from monitor.events import IntArray

_BOM: Final = b"\xef\xbb\xbf"
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"?'
_STRINGS = re.compile(_STRING, re.DOTALL)
_TOKENS = re.compile(
    rb'((?:[^"NI-]++|' + _STRING + rb"|N(?!aN)|I(?!nfinity)|-(?!Infinity))*+)(NaN|-?Infinity|\Z)", re.DOTALL
)
_REPLACED: Final = {b"NaN": b" null ", b"Infinity": b" 1e305 ", b"-Infinity": b" -1e305 ", b"": b""}
_SHORTEST_KEY: Final = 4
_JOINED: Final = 100_000
"""Bytes that are looked at together: what stays in the cache, and comes from memory that is at hand."""
_MOST_JOINED: Final = 1 << 25
_PIECE: Final = 64
_BYTES_ADDED: Final = np.uint64(0x0101010101010101)
"""Times this, the highest byte of a word is the sum of its bytes."""

_decode = msgspec.json.Decoder().decode
PARSE_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError, MemoryError)
"""All that a parser raises out of bad bytes."""


class NotJsonError(ValueError):
    """The text cannot be read as JSON."""


def repair(text: bytes) -> bytes:
    """Return a text without what Python's ``json.dumps`` and Windows tools write but JSON does not know.

    A byte-order mark goes; NaN becomes null; an infinity becomes a number that counts as bad (see ``cells.HUGE``).
    Strings are left alone.

    >>> repair(b'{"a": NaN, "b": "NaN"}')
    b'{"a":  null , "b": "NaN"}'
    """
    text = text.removeprefix(_BOM)
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    if b"\\" in text:
        return _TOKENS.sub(lambda found: found[1] + _REPLACED[found[2]], text)
    for word in (b"NaN", b"-Infinity", b"Infinity"):
        text = _replace_word(text, word, _REPLACED[word])
    return text


def _replace_word(text: bytes, word: bytes, replacement: bytes) -> bytes:
    """Replace a word outside of strings, in a text without escapes: an odd number of quotes precedes what is inside."""
    at = text.find(word)
    if at < 0:
        return text
    parts: list[bytes] = []
    start = quotes = 0
    while at >= 0:
        quotes += text.count(b'"', start, at)
        parts += text[start:at], word if quotes & 1 else replacement
        start = at + len(word)
        at = text.find(word, start)
    return b"".join((*parts, text[start:]))


def tolerant(text: bytes) -> object:
    """Parse with the standard library, which takes what msgspec refuses: lone surrogates, numbers beyond float64.

    Bytes that are no UTF-8 become lone surrogates, so that they spoil their own cell only.

    Raises
    ------
    NotJsonError
        When this parser refuses the text too.
    """
    try:
        string = text.decode("utf-8", "surrogateescape")
        try:
            return json.loads(string)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer of more digits than Python converts
            return json.loads(string, parse_int=float)
    except PARSE_ERRORS:
        raise NotJsonError from None


def load(text: bytes) -> tuple[object, bool, bool]:
    """Parse any JSON text.

    Returns
    -------
    The value; whether the text was no JSON as msgspec knows it; and whether strings may hold lone surrogates.

    Raises
    ------
    NotJsonError
        When no parser takes it.
    """
    try:
        return _decode(text), False, False
    except PARSE_ERRORS as error:
        odd = not isinstance(error, msgspec.ValidationError)
    repaired = repair(text)
    if repaired is not text:
        try:
            return _decode(repaired), odd, False
        except PARSE_ERRORS:
            pass  # the tolerant parser says whether it is JSON at all
    return tolerant(repaired), odd, True


def exceeded(text: bytes, limits: LimitsConfig) -> Reason | None:
    """Return why a text is refused before it is parsed, by a scan in linear time that holds for broken JSON too."""
    if len(text) > limits.max_record_bytes:
        return "too_large"
    bare = np.frombuffer(_STRINGS.sub(b"", text), np.uint8)
    folded = bare & 0xDF  # brackets and braces differ in this bit only
    nesting = (folded == 0x5B).astype(np.int32) - (folded == 0x5D)
    if len(bare) and int(np.cumsum(nesting).max()) > limits.max_depth:
        return "too_deep"
    if int(np.count_nonzero(bare == 0x3A)) > limits.max_keys:
        return "too_many_keys"
    return None


def lengths_of(values: Sequence[bytes | None]) -> IntArray:
    """Return the bytes of each value, 0 for null."""
    try:
        return np.array(list(map(len, values)), np.int64)  # type: ignore[arg-type]  # the next line is for null
    except TypeError:
        return np.array([len(value or b"") for value in values], np.int64)


def admit(
    values: Sequence[bytes | None], limits: LimitsConfig, lengths: IntArray | None = None
) -> tuple[list[int] | None, list[tuple[int, Reason]]]:
    """Sort out what must not be parsed; ``lengths`` are those of the values, if they are known.

    Returns
    -------
    The indices of what may be parsed (``None``: all of it), and the refused ones with their reasons. Null values are
    in neither.
    """
    lengths = lengths_of(values) if lengths is None else lengths
    if all(values):
        present: Sequence[bytes] = cast("Sequence[bytes]", values)
        index: Sequence[int] = range(len(values))
        refused: list[tuple[int, Reason]] = []
    else:
        index = [i for i, value in enumerate(values) if value]
        present = [value for value in values if value]
        lengths = lengths[index]
        refused = [(i, "empty_value") for i, value in enumerate(values) if value is not None and not value]
    found = {
        int(place): reason
        for place in _suspects(present, lengths, limits)
        if (reason := exceeded(present[place], limits)) is not None
    }
    refused += [(index[place], reason) for place, reason in found.items()]
    if len(present) == len(values) and not found:
        return None, refused
    return [i for place, i in enumerate(index) if place not in found], refused


def _suspects(values: Sequence[bytes], lengths: IntArray, limits: LimitsConfig) -> IntArray:
    """Return what could exceed a limit, by counts that are quick and never too low."""
    suspect = lengths > min(limits.max_record_bytes, limits.max_keys * _SHORTEST_KEY)
    step = max(1, _JOINED * len(values) // max(int(lengths.sum()), 1))
    for start in range(0, len(values), step):
        part = lengths[start : start + step]
        if int(part.max()) <= limits.max_depth:
            continue
        if int(part.sum()) > _MOST_JOINED:
            suspect[start : start + step] = True
            continue
        suspect[start : start + step] |= _openings(values[start : start + step], part) > limits.max_depth
    return np.flatnonzero(suspect)


def _openings(values: Sequence[bytes], lengths: IntArray) -> IntArray:
    """Return how many brackets and braces open in each text, or some more: those of whole pieces of 64 bytes.

    A piece counts for every text that has a part in it.
    """
    total = int(lengths.sum())
    joined = b"".join((*values, bytes(-total % _PIECE)))
    letters = np.frombuffer(joined, np.uint8)
    opens = (letters & 0xDF) == 0x5B if b"[" in joined else letters == 0x7B
    pieces = np.bitwise_count(opens.view(np.uint64)).view(np.uint64) * _BYTES_ADDED >> np.uint64(56)
    before = np.concatenate([[0], np.cumsum(pieces.astype(np.int64))])
    ends = np.cumsum(lengths)
    openings: IntArray = before[(ends - 1) // _PIECE + 1] - before[(ends - lengths) // _PIECE]
    return openings
