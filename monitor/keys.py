"""Keys of the state: one byte of namespace, the co-partition, then parts whose byte order is their own order.

A part is a ``str`` or an ``int64``. Each begins with a tag, integers before strings, so that a key can be taken apart
without knowing what it is the key of. Integers are big-endian with the sign bit turned round. Strings are UTF-8 ended
by 0x00 0x01; a zero within one is followed by 0xFF. So no string's bytes begin another's.
"""

from __future__ import annotations

import struct
from typing import Any, Final, TypeAlias

Part: TypeAlias = "str | int"

_HEAD: Final = struct.Struct(">I")
_INTEGER: Final = struct.Struct(">BQ")
_INT: Final = 1
_STR: Final = 2
_SIGN: Final = 1 << 63
_ZERO: Final = b"\x00"
_END: Final = b"\x00\x01"
_ESCAPED: Final = b"\x00\xff"


class MalformedKeyError(ValueError):
    """Bytes that ``compose`` did not make."""


def compose(namespace: bytes, partition: int, *parts: Part) -> bytes:
    r"""Return the key of some parts.

    Keys of one namespace and partition sort as the tuples of their parts do.

    Parameters
    ----------
    namespace
        One byte.
    partition
        The co-partition, ``0 <= partition < 2**32``.
    parts
        ``str`` or ``int``; an integer must fit into 64 bits.

    Raises
    ------
    ValueError
        When the namespace is not one byte, or a number does not fit.

    Examples
    --------
    >>> compose(b"P", 3, "a", -1)
    b'P\x00\x00\x00\x03\x02a\x00\x01\x01\x7f\xff\xff\xff\xff\xff\xff\xff'
    >>> compose(b"P", 3, "a", -1) < compose(b"P", 3, "a", 0) < compose(b"P", 3, "aa", -5)
    True
    """
    if len(namespace) != 1:
        raise ValueError(f"a namespace is one byte, not {namespace!r}")
    if not 0 <= partition < 1 << 32:
        raise ValueError(f"no such co-partition: {partition}")
    return b"".join((namespace, _HEAD.pack(partition), *map(_encode, parts)))


def prefix(namespace: bytes, partition: int | None = None, *parts: Part) -> bytes:
    r"""Return what all keys begin with that agree in the namespace, the partition and the first parts.

    Parts match whole: the prefix of ``"a"`` does not take in ``"ab"``.

    >>> prefix(b"P"), prefix(b"P", 1)
    (b'P', b'P\x00\x00\x00\x01')
    """
    if partition is None:
        if parts:
            raise ValueError("parts follow a partition")
        return namespace
    return compose(namespace, partition, *parts)


def parse(key: bytes) -> tuple[Any, ...]:
    r"""Return namespace, partition and parts of a key.

    Raises
    ------
    MalformedKeyError
        When ``compose`` cannot have made the key.

    Examples
    --------
    >>> parse(compose(b"P", 3, "a\x00b", -1))
    (b'P', 3, 'a\x00b', -1)
    """
    if len(key) < 5:
        raise MalformedKeyError(f"{key!r} is too short for a key")
    parts: list[Any] = [key[:1], _HEAD.unpack_from(key, 1)[0]]
    place = 5
    while place < len(key):
        part, place = _integer(key, place) if key[place] == _INT else _string(key, place)
        parts.append(part)
    return tuple(parts)


def _encode(part: Part) -> bytes:
    if isinstance(part, str):
        text = part.encode("utf-8", "surrogatepass")
        if _ZERO in text:
            text = text.replace(_ZERO, _ESCAPED)
        return b"\x02" + text + _END
    if not -_SIGN <= part < _SIGN:
        raise ValueError(f"{part} does not fit into 64 bits")
    return _INTEGER.pack(_INT, part + _SIGN)


def _integer(key: bytes, place: int) -> tuple[int, int]:
    end = place + _INTEGER.size
    if end > len(key):
        raise MalformedKeyError(f"{key!r} ends within an integer")
    value: int = _INTEGER.unpack_from(key, place)[1]
    return value - _SIGN, end


def _string(key: bytes, place: int) -> tuple[str, int]:
    if key[place] != _STR:
        raise MalformedKeyError(f"{key!r} has no part at byte {place}")
    end = key.find(_ZERO, place)
    while end >= 0 and key[end : end + 2] == _ESCAPED:
        end = key.find(_ZERO, end + 2)
    if end < 0 or key[end : end + 2] != _END:
        raise MalformedKeyError(f"{key!r} ends within a string")
    try:
        return key[place + 1 : end].replace(_ESCAPED, _ZERO).decode("utf-8", "surrogatepass"), end + 2
    except UnicodeDecodeError:
        raise MalformedKeyError(f"{key!r} holds a string that is not UTF-8") from None
