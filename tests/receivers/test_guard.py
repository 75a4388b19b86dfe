"""Where connections go, and where not."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from alerts.net.addresses import Address
from alerts.net.errors import DeliveryError, seconds_left
from alerts.net.guard import Guard, Policy
from alerts.net.http import Endpoint
from alerts.net.resolve import resolve
from alerts.net.secret import Secret
from alerts.net.tls import Tls
from alerts.notification import Deadline
from tests.receivers.running import answers, here, within


class Canary:
    """A listener that counts connections."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.socket = socket.create_server((address, port))
        self.port = int(self.socket.getsockname()[1])
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.connections += 1
                connection.close()

    def close(self) -> None:
        """Stop."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._thread.join(5)


@pytest.fixture
def canary() -> Iterator[Canary]:
    """Return a listener on loopback that nothing may reach."""
    listener = Canary("127.0.0.1")
    yield listener
    listener.close()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", "localhost", "localhost.", "LOCALHOST", "0",
     "[::ffff:127.0.0.1]", "[::1]", "[::]", "joe@127.0.0.1", "8.8.8.8@127.0.0.1", "[::127.0.0.1]"],
)  # fmt: skip
def test_no_spelling_of_this_machine_is_reached(host: str, canary: Canary) -> None:
    guard = Guard(Policy(ports=frozenset({canary.port, 80}), clear=True))
    endpoint = Endpoint(Secret(f"http://{host}:{canary.port}/"), guard, Tls())
    with pytest.raises(DeliveryError, match=r"denied|user|no address|not a web address"):
        endpoint.post(b"{}", {}, within(5))
    time.sleep(0.02)
    assert canary.connections == 0


@pytest.mark.parametrize("host", ["0x7f000001", "2130706433", "0177.0.0.1", "127.1", "0", "localhost", "::ffff:7f00:1"])
def test_numbers_in_other_dress_are_judged_by_where_they_lead(host: str, canary: Canary) -> None:
    with pytest.raises(DeliveryError, match="denied"):
        Guard(Policy()).connect(host, canary.port, within(5))
    assert canary.connections == 0


def test_the_same_is_reached_where_it_is_allowed(canary: Canary) -> None:
    for policy in (here(canary.port), Policy((ip_network("127.0.0.0/8"),), ports=frozenset({canary.port}), clear=True)):
        Guard(policy).connect("127.0.0.1", canary.port, within(5)).close()
    Guard(here(canary.port), answers("127.0.0.1")).connect("localhost.", canary.port, within(5)).close()
    time.sleep(0.05)
    assert canary.connections == 3


class Rebinding:
    """A name server that changes its answer."""

    def __init__(self, *answers: str) -> None:
        self._answers = [[ip_address(answer)] for answer in answers]
        self.asked = 0

    def __call__(self, *_: object) -> list[Address]:
        self.asked += 1
        return self._answers[min(self.asked, len(self._answers)) - 1]


class Careless(Guard):
    """Checks the name and then connects to the name: what must not be."""

    def connect(self, host: str, port: int, deadline: Deadline) -> socket.socket:
        self._refuse(host, self._resolve(host, port, seconds_left(deadline)), lasting=False)
        address = self._resolve(host, port, seconds_left(deadline))[0]
        return socket.create_connection((str(address), port), timeout=5)


@pytest.mark.parametrize(("kind", "reached"), [(Guard, False), (Careless, True)])
def test_a_name_that_changes_its_address_gains_nothing(kind: type[Guard], reached: bool) -> None:
    good = Canary("127.0.0.1")
    inside = Canary("127.0.0.2", good.port)
    resolver = Rebinding("127.0.0.1", "127.0.0.2")
    guard = kind(Policy((ip_network("127.0.0.1/32"),), ports=frozenset({good.port}), clear=True), resolver)
    with contextlib.closing(guard.connect("rebinds.example", good.port, within(5))):
        pass
    with pytest.raises(DeliveryError, match="denied: loopback") as caught:
        guard.connect("rebinds.example", good.port, within(5))
    assert not caught.value.lasting
    time.sleep(0.05)
    good.close()
    inside.close()
    assert (inside.connections > 0) is reached


def test_one_denied_address_among_several_is_enough(canary: Canary) -> None:
    guard = Guard(
        Policy((ip_network("127.0.0.1/32"),), ports=frozenset({canary.port}), clear=True),
        answers("127.0.0.1", "169.254.169.254"),
    )
    with pytest.raises(DeliveryError, match="cloud metadata"):
        guard.connect("mixed.example", canary.port, within(5))
    time.sleep(0.02)
    assert canary.connections == 0


def test_the_next_address_is_tried_when_one_refuses(canary: Canary) -> None:
    guard = Guard(here(canary.port), answers("127.0.0.3", "127.0.0.1"))
    with contextlib.closing(guard.connect("localhost", canary.port, within(5))) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"


def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with pytest.raises(DeliveryError, match="cannot be reached: connection refused") as caught:
        Guard(here(port)).connect("127.0.0.1", port, within(5))
    assert not caught.value.lasting


def test_a_resolver_that_hangs_costs_no_more_than_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(20) and [])
    begun = time.monotonic()
    with pytest.raises(DeliveryError, match="not resolved in time"):
        resolve("hangs.example", 443, 0.2)
    assert time.monotonic() - begun < 1
    release.set()


def test_look_ups_that_hang_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(20) and [])
    try:
        for _ in range(40):
            with pytest.raises(DeliveryError):
                resolve("hangs.example", 443, 0.001)
        assert sum(thread.name == "resolve" for thread in threading.enumerate()) <= 32
    finally:
        release.set()
    for thread in threading.enumerate():
        if thread.name == "resolve":
            thread.join(5)
    monkeypatch.undo()
    assert resolve("localhost", 80, 5)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a..b", "x" * 70 + ".example"])
def test_a_name_without_address_is_told(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    if host.endswith(".invalid"):
        monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(DeliveryError, match="has no address"):
        resolve(host, 443, 5)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "said"),
    [("http", "h.example", 80, "allow_http"), ("https", "h.example", 22, "allow_ports"),
     ("https", "10.0.0.1", 443, "private"), ("https", "169.254.169.254", 443, "cloud metadata")],
)  # fmt: skip
def test_what_can_be_told_at_once_is_lasting(scheme: str, host: str, port: int, said: str) -> None:
    with pytest.raises(DeliveryError, match=said) as caught:
        Guard(Policy()).check(scheme, host, port)
    assert caught.value.lasting
