"""Texts that must not be seen."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NoReturn

from alerts.net.errors import DeliveryError

MASK: Final = "***"
_MOST_BYTES: Final = 1 << 16


class Secret:
    """A password, token or secret address, or the file that holds one.

    A file is read again at every use, so that a rotated secret needs no restart. Neither ``repr`` nor ``str`` nor
    formatting shows the text, and it cannot be pickled.

    Examples
    --------
    >>> token = Secret("hunter2")
    >>> f"{token} {token!r}", token.reveal()
    ('*** Secret(***)', 'hunter2')
    """

    __slots__ = ("_file", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._file: Path | None = None

    @classmethod
    def from_file(cls, path: str | Path) -> Secret:
        """Return the secret that a file holds, without white space around it."""
        secret = cls("")
        secret._file = Path(path)
        return secret

    def reveal(self) -> str:
        """Return the text.

        Raises
        ------
        DeliveryError
            If the file cannot be read, is empty, too large or not UTF-8. It may be better at the next attempt.
        """
        text = self._text if self._file is None else _read(self._file)
        if not text:
            raise DeliveryError(f"the file {self._file} is empty" if self._file else "a secret is empty")
        return text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise DeliveryError(f"the file {path} cannot be read: {reason}") from None
    if len(content) > _MOST_BYTES:
        raise DeliveryError(f"the file {path} is larger than 64 KiB")
    try:
        return content.decode().strip()
    except UnicodeDecodeError:
        raise DeliveryError(f"the file {path} is not UTF-8") from None
