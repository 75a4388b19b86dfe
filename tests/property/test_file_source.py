"""Whatever bytes a file holds, and however it grows and is rotated, each line comes once and in order."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sources.files import FileSource
from monitor.sources.log_file import LogFile
from monitor.sources.port import TopicPartition

NAME = TopicPartition("p", 0)
PIECES = st.sampled_from([b"", b"\n", b"\r\n", b"\r", b" ", b"a", b"{}", b"\xef\xbb\xbf", b"long enough", b"\x00"])


def expected(content: bytes, most: int) -> list[tuple[int, bytes]]:
    """Return the lines by brute force."""
    lines: list[tuple[int, bytes]] = []
    offset = 0
    for raw in content.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if offset == 0:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip(b" \t\r\x0b\x0c"):
            lines.append((offset, line))
        offset += len(raw) + 1
    return [(at, line if len(line) <= most else line[: most + 1]) for at, line in lines]


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=30).map(b"".join), st.integers(5, 12), st.integers(1, 7))
def test_lines_and_offsets_equal_those_of_a_split(content: bytes, most: int, limit: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "p.jsonl"
        path.write_bytes(content)
        log = LogFile(path, 0, most)
        found: list[tuple[int, bytes]] = []
        while lines := log.lines(limit, final=True):
            assert len(lines) <= limit
            found += lines
        assert log.next_offset == len(content)
        log.close()
        assert found == expected(content, most)
        for offset, _ in found:
            again = LogFile(path, offset, most)
            assert again.lines(1, final=True)[0][0] == offset
            again.close()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["half", "line", "rotate", "read", "restart"]), max_size=40), st.integers(1, 3))
def test_a_log_that_grows_and_is_rotated_is_read_once_over_any_restarts(steps: list[str], limit: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = _Log(Path(directory) / "p.jsonl")
        for step in steps:
            getattr(log, step)(limit) if step == "read" else getattr(log, step)()
        log.line()
        for _ in range(2 * len(steps) + 10):
            log.read(limit)
        log.close()
        assert log.seen == log.written


class _Log:
    """A writer that rotates, and a reader that restarts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[bytes] = []
        self.seen: list[bytes | None] = []
        self._rest = b""
        self._clock = 1000
        self._ticks = 0.0
        self._renew()
        self._position = FileSource({"p": str(path)}, follow=True).start_offsets([NAME], "earliest")[NAME]
        self._source = self._open()

    def half(self) -> None:
        if not self._rest:
            self._rest = b"half-"
            self._append(self._rest)

    def line(self) -> None:
        text = b"%d" % len(self.written)
        self._append(text + b"\n")
        self.written.append(self._rest + text)
        self._rest = b""

    def rotate(self) -> None:
        if self._rest:
            self.line()
        self._clock += 1
        os.utime(self.path, (self._clock, self._clock))
        self.path.rename(self.path.with_name(f"p.jsonl.{self._clock}"))
        self._renew()

    def read(self, limit: int) -> None:
        for records in self._source.consume(limit, 0):
            self.seen += records.values
            self._position = records.next_offset

    def restart(self) -> None:
        self._source.close()
        self._source = self._open()

    def close(self) -> None:
        self._source.close()

    def _renew(self) -> None:
        """Begin an empty file; its time, like that of all others, only ever grows."""
        self.path.touch()
        os.utime(self.path, (self._clock, self._clock))

    def _append(self, text: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(text)

    def _open(self) -> FileSource:
        source = FileSource({"p": str(self.path)}, follow=True, monotonic=self._tick)
        source.assign({NAME: self._position})
        return source

    def _tick(self) -> float:
        self._ticks += 1.0
        return self._ticks
