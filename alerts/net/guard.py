"""Connections that go only where the configuration lets them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from alerts.net.addresses import Address, Network, why_denied
from alerts.net.errors import DeliveryError, seconds_left
from alerts.net.resolve import Resolve, resolve
from alerts.notification import Deadline

WEB_PORTS: Final = frozenset({80, 443, 8080, 8443})
MAIL_PORTS: Final = frozenset({25, 465, 587, 2525})


@dataclass(frozen=True, slots=True)
class Policy:
    """What receivers may be reached. By default: public addresses, over TLS, at the usual ports."""

    networks: tuple[Network, ...] = ()
    """Networks that may be reached although they are not public."""
    hosts: frozenset[str] = frozenset()
    """Names that may lead to addresses that are not public, in lower case."""
    ports: frozenset[int] = WEB_PORTS
    clear: bool = False
    """Whether ``http`` is allowed beside ``https``."""


class Guard:
    """Opens connections, against server-side request forgery.

    Every address that a name has is checked, and the connection goes to an address that was checked, so that a name
    server that changes its answer in between gains nothing.

    Parameters
    ----------
    policy
        What may be reached.
    resolver
        Finds addresses; by default the system's.
    """

    def __init__(self, policy: Policy, resolver: Resolve = resolve) -> None:
        self._policy = policy
        self._resolve = resolver

    def check(self, scheme: str, host: str, port: int) -> None:
        """Refuse what can be told without asking a name server.

        Raises
        ------
        DeliveryError
            A lasting one, with the key of the configuration that would allow it.
        """
        if scheme == "http" and not self._policy.clear:
            raise DeliveryError("http is not encrypted; use https or set allow_http", lasting=True)
        if port not in self._policy.ports:
            raise DeliveryError(f"port {port} is not allowed; add it to allow_ports", lasting=True)
        try:
            literal = ip_address(host)
        except ValueError:
            return
        self._refuse(host, [literal], lasting=True)

    def connect(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        """Return a connection to one of the host's addresses, tried in turn within the deadline.

        Raises
        ------
        DeliveryError
            If one of the addresses is denied, or none can be reached. A name that leads to a denied address may lead
            elsewhere later, so that is not lasting.
        """
        addresses = self._resolve(host, port, seconds_left(deadline))
        if not addresses:
            raise DeliveryError(f"the name {host} has no address")
        self._refuse(host, addresses, lasting=False)
        reason = "no time was left"
        for place, address in enumerate(addresses):
            share = seconds_left(deadline) / (len(addresses) - place)
            if share <= 0:
                break
            try:
                return _open(address, port, share)
            except TimeoutError:
                reason = "no answer in time"
            except OSError as error:
                reason = os.strerror(error.errno).lower() if error.errno else "the connection failed"
        raise DeliveryError(f"{host}:{port} cannot be reached: {reason}")

    def _refuse(self, host: str, addresses: Iterable[Address], *, lasting: bool) -> None:
        trusted = host.rstrip(".").lower() in self._policy.hosts
        for address in addresses:
            denied = why_denied(address, self._policy.networks, trusted=trusted)
            if denied:
                hint = "" if denied == "cloud metadata" else "; if that is meant, add it to allow"
                raise DeliveryError(f"{host} leads to {address}, which is denied: {denied}{hint}", lasting=lasting)


def _open(address: Address, port: int, seconds: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        opened.connect((str(address), port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        opened.close()
        raise
    return opened
