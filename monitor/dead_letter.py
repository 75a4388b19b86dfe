"""A record that could not be counted, on its way to somebody who can look at it."""

from __future__ import annotations

import base64
from typing import Any, Self

import msgspec

from monitor.events import Headers, Reject


class DeadLetter(msgspec.Struct, frozen=True, array_like=True):
    """One rejected record or row: where it stands, why it was rejected, and what it held.

    Fields are appended, never moved: letters wait in the state over upgrades.
    """

    topic: str
    partition: int
    offset: int
    row: int | None
    reason: str
    detail: str
    model: str | None
    log_time: int
    """Microseconds; negative when unknown."""
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @classmethod
    def of(cls, reject: Reject, *, payload: bool = True) -> Self:
        """Return the letter about a rejected record, with or without what it held."""
        return cls(
            topic=reject.topic,
            partition=reject.partition,
            offset=reject.offset,
            row=reject.row,
            reason=reject.reason,
            detail=reject.detail,
            model=reject.model,
            log_time=reject.log_time,
            key=reject.key if payload else None,
            value=reject.value if payload else None,
            headers=_plain(reject.headers) if payload else (),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read back what ``to_bytes`` wrote.

        >>> letter = DeadLetter("p", 0, 7, None, "not_json", "not JSON", None, 0, value=b"{")
        >>> DeadLetter.from_bytes(letter.to_bytes()) == letter
        True
        """
        return msgspec.msgpack.decode(data, type=cls)

    @property
    def stable_key(self) -> str:
        """The same at every attempt to publish the letter, and for no other letter.

        >>> DeadLetter("p", 0, 7, 2, "missing_id", "no id", None, 0).stable_key
        'p:0:7:2'
        """
        row = "" if self.row is None else f":{self.row}"
        return f"{self.topic}:{self.partition}:{self.offset}{row}"

    @property
    def payload_bytes(self) -> int:
        """Bytes of what the record held."""
        parts = (self.key, self.value, *(value for _, value in self.headers))
        return sum(len(part) for part in parts if part is not None)

    def to_bytes(self) -> bytes:
        """Return the letter as msgpack."""
        return msgspec.msgpack.encode(self)

    def to_json(self, *, payload: bool = True) -> bytes:
        """Return the letter as one line of JSON, key, value and headers in base64.

        >>> DeadLetter("p", 0, 7, None, "not_json", "not JSON", None, 0, value=b"{").to_json()[-52:]
        b'"log_time":0,"key":null,"value":"ew==","headers":[]}'
        """
        fields: dict[str, Any] = {"id": self.stable_key}
        fields |= {name: getattr(self, name) for name in self.__struct_fields__}
        fields["key"] = _text(self.key) if payload else None
        fields["value"] = _text(self.value) if payload else None
        fields["headers"] = [[name, _text(value)] for name, value in self.headers] if payload else []
        return msgspec.json.encode(fields)


def _plain(headers: Headers) -> tuple[tuple[str, bytes | None], ...]:
    return tuple((name, value) for name, value in headers)


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode("ascii")
