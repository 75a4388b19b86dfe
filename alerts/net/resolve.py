"""Names to addresses, within a time limit."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final, TypeAlias

from alerts.net.addresses import Address
from alerts.net.errors import DeliveryError

Resolve: TypeAlias = Callable[[str, int, float], list[Address]]
_slots: Final = threading.BoundedSemaphore(32)


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """Return every address of a host, in the order in which they should be tried.

    The system's resolver knows no time limit, so it runs in a thread that is left behind when time is up. At most 32
    such threads exist.

    Raises
    ------
    DeliveryError
        If there is no address, or none in time.
    """
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    if not _slots.acquire(timeout=seconds):
        raise DeliveryError("too many look-ups of names hang")
    answer: queue.SimpleQueue[list[Address] | None] = queue.SimpleQueue()
    try:
        threading.Thread(target=_look_up, args=(host, port, answer), name="resolve", daemon=True).start()
    except RuntimeError:
        _slots.release()
        raise DeliveryError("no thread is to be had to look up a name") from None
    try:
        found = answer.get(timeout=seconds)
    except queue.Empty:
        raise DeliveryError(f"the name {host} was not resolved in time") from None
    if not found:
        raise DeliveryError(f"the name {host} has no address")
    return found


def _look_up(host: str, port: int, answer: queue.SimpleQueue[list[Address] | None]) -> None:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer.put(list(dict.fromkeys(ip_address(info[4][0]) for info in infos)))
    except (OSError, ValueError):  # no such name, or not a name
        answer.put(None)
    finally:
        _slots.release()
