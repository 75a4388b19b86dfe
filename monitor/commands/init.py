"""``driftline init``: a first configuration out of the records themselves."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, cast

import zstandard
from rich.console import Console

from monitor.commands.guess import guess
from monitor.commands.recent import newest, read_recent
from monitor.commands.starter import write
from monitor.commands.tap import summary
from monitor.config.load import load
from monitor.config.root import KafkaConfig, LimitsConfig
from monitor.decoding.cells import Values
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.decoding.text import NotJsonError, admit
from monitor.decoding.text import load as load_json
from monitor.events import Records
from monitor.sources.kafka import KafkaPythonSource
from monitor.sources.port import UNKNOWN_TIME, SourceUnavailableError

RECORDS: Final = 500
UNAVAILABLE: Final = 69
_LONGEST_LINE: Final = 1 << 20


def init(
    *,
    from_file: Path | None = None,
    from_topic: str | None = None,
    bootstrap: str = "localhost:9092",
    out: Path = Path("driftline.yaml"),
) -> int:
    """Read up to 500 records, guess the mapping, write a commented configuration and try it on these records.

    Returns
    -------
    The exit status: 0, 1 when there is nothing to guess from, 2 on wrong usage, 69 when nobody answers.
    """
    console = Console(stderr=True)
    if (from_file is None) == (from_topic is None):
        console.print("say either --from-file or --from-topic")
        return 2
    if str(out) != "-" and out.exists():
        console.print(f"{out} exists; move it away, or write elsewhere with --out", markup=False)
        return 1
    try:
        found = lines_of(from_file) if from_file is not None else records_of(from_topic or "", bootstrap)
    except (OSError, zstandard.ZstdError, SourceUnavailableError) as error:
        console.print(f"cannot read {from_file or from_topic}: {error}", markup=False)
        return UNAVAILABLE
    text = configure(found, topic=from_topic, file=from_file, bootstrap=bootstrap)
    if text is None:
        console.print(f"{from_file or from_topic}: no JSON objects among {sum(map(len, found))} records", markup=False)
        return 1
    console.print(check(text, found, out), markup=False)
    if str(out) == "-":
        sys.stdout.write(text)
    else:
        console.print(f"wrote {out}; next: driftline validate -c {out}", markup=False)
    return 0


def lines_of(path: Path, count: int = RECORDS) -> list[Records]:
    """Return the first lines of a JSON Lines file, plain, gzip or zstd."""
    with path.open("rb") as raw:
        lines = [line.strip() for line in islice(_lines(_unpacked(path, raw)), count)]
    values: list[bytes | None] = [line for line in lines if line]
    n = len(values)
    return [Records(str(path), 0, n, list(range(n)), [UNKNOWN_TIME] * n, False, [None] * n, values)]


def _unpacked(path: Path, raw: BinaryIO) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    if path.suffix in {".zst", ".zstd"}:
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
    return raw


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE):
        yield line


def records_of(topic: str, bootstrap: str, count: int = RECORDS) -> list[Records]:
    """Return the newest records of a topic."""
    source = KafkaPythonSource(KafkaConfig(bootstrap_servers=bootstrap.split(",")), need_headers=True)
    try:
        return newest(read_recent(source, topic, count), count)
    finally:
        source.close()


def configure(found: Sequence[Records], *, topic: str | None, file: Path | None, bootstrap: str) -> str | None:
    """Return the guessed configuration, ``None`` when there is no JSON to guess from."""
    documents: list[object] = []
    outer: dict[str, Values] = {"key": []}
    for records in found:
        admitted, _ = admit(records.values, LimitsConfig())
        for index in range(len(records)) if admitted is None else admitted:
            try:
                document = load_json(records.values[index] or b"")[0]
            except NotJsonError:
                continue
            if isinstance(document, dict):
                _outer(records, index, outer, len(documents))
                documents.append(document)
    if not documents:
        return None
    for texts in outer.values():
        texts.extend([None] * (len(documents) - len(texts)))
    name = None if file is None else str(file)
    return write(guess(documents, outer), topic=topic, file=name, bootstrap=bootstrap)


def _outer(records: Records, index: int, outer: dict[str, Values], place: int) -> None:
    texts = {"key": records.keys[index]}
    if records.headers:
        texts |= {
            f'headers["{name}"]' if "." in name else f"headers.{name}": raw for name, raw in records.headers[index]
        }
    for path, raw in texts.items():
        values = outer.setdefault(path, [])
        values += [None] * (place - len(values))
        values.append(None if raw is None else raw.decode("utf-8", "replace"))


def check(text: str, found: Sequence[Records], out: Path) -> str:
    """Load the configuration, as the service would, and decode the records with it; return what came of it.

    Raises
    ------
    ConfigError
        When the configuration does not load; it stays written, so that a person can mend it.
    """
    if str(out) == "-":
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "driftline.yaml"
            path.write_text(text)
            config = load(path, os.environ)
    else:
        out.write_text(text)
        config = load(out, os.environ)
    decoder = Decoder([Schema.of(model) for model in config.models], config.limits)
    return "the records, read with it: " + summary([decoder.decode(records) for records in found])
