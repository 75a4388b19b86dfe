"""What certificates are trusted, and which one is shown."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from alerts.net.errors import DeliveryError


class Tls:
    """The TLS settings of a receiver; its files are read again when they change, the system's authorities are not.

    Parameters
    ----------
    ca_file
        Authorities to trust instead of the system's, PEM.
    cert_file, key_file
        Certificate and key to show to servers that ask for one, PEM.
    """

    def __init__(
        self, ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
    ) -> None:
        self._authorities, self._certificate, self._key = ca_file, cert_file, key_file
        self._stamps: tuple[tuple[int, int, int], ...] | None = None
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return a context that checks certificates and names and speaks TLS 1.2 or newer.

        Raises
        ------
        DeliveryError
            If one of the files cannot be read or holds no certificate or key.
        """
        if self._authorities is None and self._certificate is None:
            return _system_context()
        stamps = tuple(_stamp(file) for file in (self._authorities, self._certificate, self._key) if file is not None)
        if self._context is None or stamps != self._stamps:
            self._context, self._stamps = self._load(), stamps
        return self._context

    def _load(self) -> ssl.SSLContext:
        try:
            context = _new_context(self._authorities)
        except (OSError, ValueError):
            raise DeliveryError(f"{self._authorities} holds no certificates") from None
        if self._certificate is not None:
            try:
                context.load_cert_chain(self._certificate, self._key, password="")
            except (OSError, ValueError):
                raise DeliveryError(f"{self._certificate} and its key do not fit or cannot be read") from None
        return context


@cache
def _system_context() -> ssl.SSLContext:
    return _new_context(None)


def _new_context(authorities: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _stamp(file: Path) -> tuple[int, int, int]:
    try:
        status = file.stat()
    except (OSError, ValueError):
        raise DeliveryError(f"the file {file} cannot be read") from None
    return status.st_mtime_ns, status.st_size, status.st_ino
