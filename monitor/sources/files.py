"""Files of one record a line as a source: read once, or followed as ``tail -F`` does, rotation included."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from monitor.events import Records
from monitor.sources.file_input import FileInput, FollowedInput, WholeInput
from monitor.sources.log_file import READ_ERRORS
from monitor.sources.port import UNKNOWN_TIME, CorruptRecordsError, SourceUnavailableError, TopicPartition
from monitor.sources.seldom import Seldom

log = structlog.get_logger(__name__)
_NAP: Final = 0.05


class FileSource:
    r"""A ``Source`` over files, JSON Lines for example.

    Parameters
    ----------
    files
        Topic → a path or a glob pattern. The files that match, in sorted order, are the partitions. Rotated files must
        not match; they are found by themselves.
    follow
        Whether to wait for more at the end. Then a line is handed out once it is finished, a file that does not exist
        yet is waited for, and reading goes on in the next file when the log is rotated. Without, the end of the file
        ends its last line.
    max_line_bytes
        Of a longer line only the first ``max_line_bytes + 1`` are read into memory and handed out; the decoder, which
        has the same limit, rejects it as too large.

    Notes
    -----
    Offsets are byte offsets in the (decompressed) content; when following, a mark of the file stands in front, see
    ``monitor.sources.rotation``. Lines carry no log time, key or headers. Compressed files are read, not followed.
    There are no ids of topics: whether a file is the one that a position belongs to can be told from the position.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
    ...     _ = file.write(b'{"a": 1}\n{"a": 2}\n')
    ...     file.flush()
    ...     source = FileSource({"p": file.name}, follow=False)
    ...     source.assign(source.start_offsets([TopicPartition("p", 0)], "earliest"))
    ...     [(records.offsets, records.values, records.next_offset) for records in source.consume(10, 0)]
    ...     source.close()
    [([0, 9], [b'{"a": 1}', b'{"a": 2}'], 18)]
    """

    def __init__(
        self,
        files: Mapping[str, str],
        *,
        follow: bool,
        max_line_bytes: int = 1 << 20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = dict(files)
        self._follow = follow
        self._most = max_line_bytes
        self._monotonic = monotonic
        self._inputs: dict[TopicPartition, FileInput] = {}
        self._turns: list[TopicPartition] = []
        self._paused: set[TopicPartition] = set()
        self._seldom = Seldom(monotonic=monotonic)

    def partitions(self, topics: Iterable[str]) -> dict[str, int]:
        """See ``Source``."""
        counts = {topic: len(self._paths(topic)) for topic in topics if topic in self._files}
        return {topic: count for topic, count in counts.items() if count}

    def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:  # noqa: ARG002 - positions tell, see the notes
        """See ``Source``; there are none."""
        return {}

    def start_offsets(self, inputs: Sequence[TopicPartition], start: str | int) -> dict[TopicPartition, int]:
        """See ``Source``."""
        if start == "latest":
            return self.end_offsets(inputs)
        return {name: self._input(name).begin() for name in inputs}

    def end_offsets(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See ``Source``; the offset after the last finished line of the file that is being read."""
        try:
            return {name: self._input(name).end() for name in inputs}
        except (OSError, *READ_ERRORS) as error:
            raise SourceUnavailableError(f"cannot look at a file: {error}") from error

    def assign(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``."""
        self.close()
        inputs: dict[TopicPartition, FileInput] = {}
        try:
            for name, offset in positions.items():
                inputs[name] = self._make(name)
                inputs[name].seek(offset)
        except BaseException:
            for input_ in inputs.values():
                input_.close()
            raise
        self._inputs = inputs
        self._turns = sorted(inputs)
        self._paused = set()

    def seek(self, input_: TopicPartition, offset: int) -> None:
        """See ``Source``."""
        self._inputs[input_].seek(offset)

    def consume(self, limit: int, timeout: float) -> list[Records]:
        """See ``Source``."""
        deadline = self._monotonic() + timeout
        while True:
            polled: list[Records] = []
            for name in self._turns:
                if limit > 0 and name not in self._paused and (records := self._read(name, limit)) is not None:
                    polled.append(records)
                    limit -= len(records)
            self._turns = self._turns[1:] + self._turns[:1]
            left = deadline - self._monotonic()
            if polled or left <= 0:
                return polled
            time.sleep(min(_NAP, left))

    def pause(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        self._paused.update(inputs)

    def resume(self, inputs: Iterable[TopicPartition]) -> None:
        """See ``Source``."""
        self._paused.difference_update(inputs)

    def commit(self, positions: Mapping[TopicPartition, int]) -> None:
        """See ``Source``; nobody asks how far a file was read."""

    def committed(self, inputs: Sequence[TopicPartition]) -> dict[TopicPartition, int]:  # noqa: ARG002
        """See ``Source``; nothing is known of what other processes read."""
        return {}

    def close(self) -> None:
        """See ``Source``."""
        for input_ in self._inputs.values():
            input_.close()
        self._inputs = {}
        self._turns = []

    def _read(self, name: TopicPartition, limit: int) -> Records | None:
        input_ = self._inputs[name]
        before = input_.position
        try:
            lines = input_.read(limit)
        except READ_ERRORS as error:
            raise CorruptRecordsError(name, input_.position, f"{input_.path}: {error}") from error
        except OSError as error:
            if (more := self._seldom.allow()) is not None:
                log.warning("a file cannot be read, trying again", problem=str(error), held_back=more)
            return None
        if not lines and input_.position == before:
            return None
        number = len(lines)
        return Records(
            topic=name.topic,
            partition=name.partition,
            next_offset=input_.position,
            offsets=[offset for offset, _ in lines],
            log_times=[UNKNOWN_TIME] * number,
            broker_stamped=False,
            keys=[None] * number,
            values=[line for _, line in lines],
        )

    def _paths(self, topic: str) -> list[Path]:
        pattern = self._files[topic]
        matches = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        found = sorted(path for path in map(Path, matches) if path.is_file())
        if not found and Path(pattern).is_file():
            return [Path(pattern)]
        if not found and self._follow and not glob.has_magic(pattern):
            return [Path(pattern)]
        return found

    def _input(self, name: TopicPartition) -> FileInput:
        return self._inputs.get(name) or self._make(name)

    def _make(self, name: TopicPartition) -> FileInput:
        kind = FollowedInput if self._follow else WholeInput
        return kind(name, self._paths(name.topic)[name.partition], self._most, self._monotonic)
