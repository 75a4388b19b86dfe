"""Web addresses, of which only the origin is ever shown: path and query may be a secret."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

import httpx2

from alerts.net.errors import DeliveryError

_NAME: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes."""

    scheme: str
    host: str
    port: int
    path: bytes = field(repr=False)

    @property
    def authority(self) -> str:
        """Host and port as the ``Host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """What may be shown."""
        return f"{self.scheme}://{self.authority}"


def parse_target(url: str) -> Target:
    """Return the parts of a web address.

    Raises
    ------
    DeliveryError
        A lasting one that does not quote the address.

    Examples
    --------
    >>> parse_target("https://hooks.example/services/T0/B0/x").origin
    'https://hooks.example'
    >>> parse_target("https://joe:hunter2@hooks.example/")
    Traceback (most recent call last):
    ...
    alerts.net.errors.DeliveryError: the address holds a user or password; give them by keys of their own
    """
    try:
        parsed = httpx2.URL(url)
        host = parsed.raw_host.decode("ascii").lower()
        port = parsed.port
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise DeliveryError("not a web address", lasting=True) from None
    if parsed.scheme not in _DEFAULT_PORTS or "\\" in url:
        raise DeliveryError("not a web address: it must begin with https:// or http://", lasting=True)
    if parsed.userinfo:
        raise DeliveryError("the address holds a user or password; give them by keys of their own", lasting=True)
    if not (_NAME.fullmatch(host) or _is_v6(host)):
        raise DeliveryError("not a web address: its host is no name and no address", lasting=True)
    if port is not None and not 0 < port < 1 << 16:
        raise DeliveryError("not a web address: its port is not within 1 to 65535", lasting=True)
    return Target(parsed.scheme, host, port or _DEFAULT_PORTS[parsed.scheme], parsed.raw_path)


def _is_v6(host: str) -> bool:
    try:
        return ip_address(host).version == 6 and "%" not in host
    except ValueError:
        return False
