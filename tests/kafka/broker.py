"""A real Apache Kafka broker of one node, for tests, benchmarks and ``make demo-kafka``."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition  # type: ignore[import-untyped]  # has no type hints

from tests.kafka.jars import ensure_jars
from tests.kafka.listeners import SCRAM_USERS, Secrets, format_properties, secured

_CLUSTER = "driftlineTestClusterAA"
_STARTED = "Kafka Server started"
_PAUSE = 2.0
_JAVA = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Dcom.sun.management.jmxremote=false",
)


class Broker:
    """One broker and controller in one process (KRaft), in a directory that goes with it.

    Parameters
    ----------
    secure
        Whether to open the listeners of ``tests.kafka.listeners`` as well.
    properties
        Further broker properties.
    port
        The port of the listener in the clear; by default a free one. Ports stay the same over a restart.

    Notes
    -----
    ``auto.create.topics.enable`` is on, as it is by default: nothing of ours may create a topic by asking about it.
    """

    def __init__(self, *, secure: bool = False, properties: Mapping[str, str] | None = None, port: int = 0) -> None:
        self._jars = ensure_jars()
        self.directory = Path(tempfile.mkdtemp(prefix="driftline-kafka-"))
        self.secrets: Secrets | None = None
        self._process: subprocess.Popen[bytes] | None = None
        protocols, extra = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}, dict(properties or {})
        if secure:
            more, secured_properties, self.secrets = secured(self.directory)
            protocols, extra = {**protocols, **more}, {**secured_properties, **extra}
        self._addresses = {
            name: f"127.0.0.1:{number}" for name, number in zip(protocols, _free_ports(len(protocols)), strict=True)
        }
        if port:
            self._addresses["PLAINTEXT"] = f"127.0.0.1:{port}"
        self._configuration = self.directory / "server.properties"
        self._configuration.write_text(format_properties({**self._properties(protocols), **extra}))
        self._format(secure=secure)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """``host:port`` of the listener in the clear."""
        return self._addresses["PLAINTEXT"]

    def listener(self, name: str) -> str:
        """Return ``host:port`` of a listener."""
        return self._addresses[name]

    def start(self, timeout: float = 60.0) -> None:
        """Start the broker and wait until it serves; once more if it ends at once, as when its port is still taken."""
        try:
            self._start(timeout)
        except RuntimeError:
            time.sleep(_PAUSE)
            self._start(timeout)

    def _start(self, timeout: float) -> None:
        log = self.directory / "broker.log"
        begin = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._configuration)), stdout=output, stderr=output, cwd=self.directory
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            text = log.read_bytes()[begin:].decode(errors="replace")
            if _STARTED in text:
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the broker did not start:\n{log.read_text(errors='replace')[-3000:]}")

    def stop(self, timeout: float = 30.0) -> None:
        """Stop the broker in an orderly way."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """Stop the broker as ``kill -9`` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Have the broker accept connections but answer nothing."""
        process = self._process
        if process is None:
            raise RuntimeError("the broker does not run")
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def log_file(self, topic: str, partition: int = 0) -> Path:
        """Return the first segment of a partition's log; touch it only while the broker is stopped."""
        return self.directory / "data" / f"{topic}-{partition}" / f"{0:020d}.log"

    def close(self) -> None:
        """Stop the broker and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextlib.contextmanager
    def admin(self) -> Iterator[Any]:
        """Give a ``KafkaAdminClient``."""
        client = KafkaAdminClient(bootstrap_servers=self.address)
        try:
            yield client
        finally:
            client.close()

    @contextlib.contextmanager
    def producer(self, **options: Any) -> Iterator[Any]:
        """Give a ``KafkaProducer`` that sends in large batches; it is flushed at the end."""
        settings = {"linger_ms": 5, "batch_size": 256 * 1024, "max_request_size": 64 << 20, "acks": "all", **options}
        client = KafkaProducer(bootstrap_servers=self.address, **settings)
        try:
            yield client
            client.flush()
        finally:
            client.close()

    def create_topic(self, name: str, partitions: int = 1, **configuration: str) -> None:
        """Create a topic and wait until it can be used; ``_`` in the names of settings stands for ``.``."""
        settings = {key.replace("_", "."): value for key, value in configuration.items()}
        with self.admin() as admin:
            topic = {"num_partitions": partitions, "replication_factor": 1, "configs": settings}
            admin.create_topics({name: topic}, wait_for_metadata=True)

    def delete_topic(self, name: str, timeout: float = 10.0) -> None:
        """Delete a topic and wait until it is gone."""
        with self.admin() as admin:
            admin.delete_topics([name])
            deadline = time.monotonic() + timeout
            while name in admin.list_topics():
                if time.monotonic() > deadline:
                    raise RuntimeError(f"topic {name} does not go away")
                time.sleep(0.02)

    def topics(self) -> list[str]:
        """Return the names of all topics."""
        with self.admin() as admin:
            return list(admin.list_topics())

    def delete_records(self, name: str, before: Mapping[int, int]) -> None:
        """Drop the records before an offset of each partition, as retention does."""
        with self.admin() as admin:
            admin.delete_records({TopicPartition(name, partition): offset for partition, offset in before.items()})

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        partition: int = 0,
        keys: Sequence[bytes | None] | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamps: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        """Write records to one partition, in order; ``timestamps`` in milliseconds, ``options`` for the producer."""
        with self.producer(**options) as producer:
            for index, value in enumerate(values):
                producer.send(
                    topic,
                    value,
                    key=None if keys is None else keys[index],
                    partition=partition,
                    headers=list(headers),
                    timestamp_ms=None if timestamps is None else timestamps[index],
                )

    def produce_transaction(self, topic: str, values: Iterable[bytes], *, commit: bool, partition: int = 0) -> None:
        """Write records in one transaction and commit or abort it."""
        with self.producer(transactional_id=f"{topic}-{partition}") as producer:
            producer.init_transactions()
            producer.begin_transaction()
            for value in values:
                producer.send(topic, value, partition=partition)
            producer.flush()
            if commit:
                producer.commit_transaction()
            else:
                producer.abort_transaction()

    def _properties(self, protocols: Mapping[str, str]) -> dict[str, str]:
        listeners = ",".join(f"{name}://{address}" for name, address in self._addresses.items())
        advertised = ",".join(
            f"{name}://{address}" for name, address in self._addresses.items() if name != "CONTROLLER"
        )
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{self._addresses['CONTROLLER']}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listeners": listeners,
            "advertised.listeners": advertised,
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "log.dirs": str(self.directory / "data"),
            "auto.create.topics.enable": "true",
            "num.partitions": "1",
            "log.retention.ms": "-1",  # tests stamp records of years ago
            "num.network.threads": "2",
            "num.io.threads": "2",
            "message.max.bytes": str(64 << 20),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "broker.session.timeout.ms": "1500",
            "broker.heartbeat.interval.ms": "200",
        }

    def _format(self, *, secure: bool) -> None:
        users = [part for user in SCRAM_USERS for part in ("--add-scram", user)] if secure else []
        arguments = ("format", "-t", _CLUSTER, "-c", str(self._configuration), *users)
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments), capture_output=True, cwd=self.directory, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the broker's storage cannot be formatted:\n{done.stderr.decode()[-3000:]}")

    def _java(self, main: str, *arguments: str) -> list[str]:
        return ["java", *_JAVA, "-cp", f"{self._jars}/*", main, *arguments]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
