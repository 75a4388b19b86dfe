"""Clients that are made in the background, because making one blocks until a broker answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import structlog
from kafka.errors import KafkaConfigurationError, KafkaError  # type: ignore[import-untyped]  # has no type hints

from monitor.sources.client_log import quiet_client_logs
from monitor.sources.kafka_network import AskingClient
from monitor.sources.seldom import Seldom

log = structlog.get_logger(__name__)
ClientT = TypeVar("ClientT")
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0
_PASSING: Final = (KafkaError, OSError, RuntimeError)
"""What a client raises when trying again may help."""


class Connection(Generic[ClientT]):
    """Makes a client, and keeps trying for as long as nobody answers.

    One thread calls the methods; the attempts run in a thread of their own, so a broker that is absent, slow or silent
    never holds the caller for longer than it agreed to wait.

    Parameters
    ----------
    make
        A client class of kafka-python: ``KafkaConsumer``, ``KafkaProducer``.
    options
        Its keyword arguments.
    purpose
        What the client is for, to be named in the log.
    dispose
        How to end a client that brings its own thread; by default its network is closed, which is safe at any time.
    """

    def __init__(
        self,
        make: Callable[..., ClientT],
        options: dict[str, Any],
        purpose: str,
        dispose: Callable[[ClientT], None] | None = None,
    ) -> None:
        self.network: AskingClient | None = None
        """What the client sends through; it knows the cluster's metadata."""
        self._attempt: AskingClient | None = None
        self._make = make
        self._options = options
        self._purpose = purpose
        self._dispose = dispose
        self._client: ClientT | None = None
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._began = float("-inf")
        self._settled = threading.Event()
        self._closing = threading.Event()
        self._seldom = Seldom()
        self._client_log = quiet_client_logs()

    def get(self, timeout: float) -> ClientT | None:
        """Return the client, waiting up to ``timeout`` seconds for it; ``None`` while there is none.

        Raises
        ------
        Exception
            What the client's constructor raised, when trying again cannot help.
        """
        if self._client is not None:
            return self._client
        if self._thread is None and not self._closing.is_set():
            self._settled.clear()
            self._thread = threading.Thread(target=self._connect, name=f"connect-{self._purpose}", daemon=True)
            self._thread.start()
        if self._settled.wait(timeout) and self._failure is not None and not self._closing.is_set():
            raise self._failure
        return self._client

    def drop(self) -> None:
        """Let go of the client; the next ``get`` makes another."""
        with self._lock:
            client, self._client = self._client, None
            network, self.network = self.network, None
            self._thread = None
        self._end(client, network)

    def close(self) -> None:
        """Let go of the client for good; an attempt that is under way ends by itself within seconds."""
        self._closing.set()
        self.drop()

    def _end(self, client: ClientT | None, network: AskingClient | None) -> None:
        if self._dispose is None:
            if network is not None:
                try:
                    network.close()
                except RuntimeError as error:  # a client that failed to start has closed it already
                    log.debug("closed twice", problem=str(error))
        elif client is not None:
            self._dispose(client)

    def _connect(self) -> None:
        pause = _FIRST_PAUSE
        self._closing.wait(max(0.0, self._began + pause - time.monotonic()))
        while not self._closing.is_set():
            self._began = time.monotonic()
            try:
                client = self._make(**self._options, kafka_client=self._remember)
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread hands it over or tries again
                self._abandon(error)
                if isinstance(error, KafkaConfigurationError) or not isinstance(error, _PASSING):
                    self._failure = error
                    break
                self._closing.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                with self._lock:
                    wanted = not self._closing.is_set()
                    self._client = client if wanted else None
                if not wanted:
                    self._end(client, self.network)
                break
        self._settled.set()

    def _remember(self, **configs: Any) -> AskingClient:
        """Make the network client; it must be closed by us when the constructor that asked for it gives up."""
        self.network = self._attempt = AskingClient(**configs)
        return self.network

    def _abandon(self, error: Exception) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.close()
        if not self._closing.is_set() and (more := self._seldom.allow()) is not None:
            cause = self._client_log.last or str(error)
            log.warning("no broker answers, trying again", purpose=self._purpose, problem=cause, held_back=more)
