"""``driftline demo --produce``: the demo's stream into a broker, for a service that runs elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monitor.config.root import LogConfig
from monitor.demo.output import create_topic, label_records, produce
from monitor.demo.parts import LABELS, TOPIC
from monitor.demo.play import Play
from monitor.demo.stream import DemoRecord, DemoStream
from monitor.events import DAY
from monitor.logs import configure

_AHEAD = 0.2
"""Seconds by which records may be early, so that not each of them is waited for."""
_LABELS_GO_ON = 14 * DAY


def demo_produce(*, bootstrap: str, folder: Path, minutes: float, seed: int) -> int:
    """Write configuration and reference into a folder, then the stream into its topics; return 0 when all is written.

    Parameters
    ----------
    folder
        The service's own: it gets the state there, too. The configuration is ``driftline.yaml``.
    minutes
        How long eight weeks of stream time take.
    """
    configure(LogConfig(level="error"))
    stream = DemoStream(seed)
    for topic in (TOPIC, LABELS):
        create_topic([bootstrap], topic)
    Play(stream, folder, lambda _: None, port=9464, host="0.0.0.0", bootstrap=bootstrap).prepare()  # noqa: S104
    sys.stdout.write(f"{folder / 'driftline.yaml'}: driftline run -c it; {len(stream):,} records follow\n")
    sys.stdout.flush()
    speed = (stream.end - stream.start + _LABELS_GO_ON) / (minutes * 60e6)
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as writers:
        writing = [
            writers.submit(produce, paced(records, stream.start, speed, begun), [bootstrap], topic)
            for records, topic in ((stream.records(), TOPIC), (label_records(stream), LABELS))
        ]
        written = sum(one.result() for one in writing)
    sys.stdout.write(f"{written:,} records and labels written\n")
    return 0


def paced(
    records: Iterable[DemoRecord],
    start: int,
    speed: float,
    begun: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[DemoRecord]:
    """Yield records no earlier than their time in the stream, ``speed`` times as fast as it went.

    >>> waited = []
    >>> two = [DemoRecord(0, 0, b"", b""), DemoRecord(0, 60_000_000, b"", b"")]
    >>> len(list(paced(two, 0, 6.0, 0.0, lambda: 0.0, waited.append))), waited
    (2, [10.0])
    """
    for record in records:
        ahead = begun + (record.timestamp - start) / 1e6 / speed - clock()
        if ahead > _AHEAD:
            sleep(ahead)
        yield record
