"""Files of lines: whole, compressed, damaged, followed, rotated, truncated."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from monitor.sources.files import FileSource
from monitor.sources.log_file import LogFile
from monitor.sources.port import CorruptRecordsError, LostRecordsError, SourceUnavailableError, TopicPartition
from monitor.sources.rotation import generations

NAME = TopicPartition("p", 0)
CONTENT = b"\xef\xbb\xbf" + b'{"n":1}\r\n\n  \n{"n":2}\n\r\n{"n":3}'
LINES = [b'{"n":1}', b'{"n":2}', b'{"n":3}']

Packer = Callable[[bytes], bytes]
PACKERS: dict[str, Packer] = {
    "p.jsonl": bytes,
    "p.jsonl.gz": gzip.compress,
    "p.jsonl.zst": zstandard.ZstdCompressor().compress,
}


def whole(path: Path | str, most: int = 1 << 20) -> FileSource:
    source = FileSource({"p": str(path)}, follow=False, max_line_bytes=most)
    source.assign(source.start_offsets([NAME], "earliest"))
    return source


def followed(path: Path, position: int | None = None) -> FileSource:
    source = FileSource({"p": str(path)}, follow=True, monotonic=_Ticking())
    begin = source.start_offsets([NAME], "earliest")[NAME] if position is None else position
    source.assign({NAME: begin})
    return source


class _Ticking:
    """A clock that moves on whenever it is looked at, so that nothing waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def read(source: FileSource, rounds: int = 6) -> tuple[list[bytes | None], int]:
    """Return what comes in some rounds, and where reading goes on."""
    values: list[bytes | None] = []
    position = -1
    for _ in range(rounds):
        for records in source.consume(3, 0):
            values += records.values
            position = records.next_offset
    return values, position


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


@pytest.mark.parametrize("name", PACKERS)
def test_a_whole_file_is_read_to_its_last_byte(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[name](CONTENT))
    source = whole(path)
    values, position = read(source)
    assert values == LINES
    assert position == len(CONTENT) == source.end_offsets([NAME])[NAME]
    source.close()


@pytest.mark.parametrize("name", PACKERS)
def test_offsets_are_bytes_of_the_content_and_can_be_sought(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[name](CONTENT))
    source = whole(path)
    (records,) = source.consume(10, 0)
    assert records.offsets == [0, 16, 26]
    for index, offset in enumerate(records.offsets):
        source.seek(NAME, offset)
        assert read(source) == (LINES[index:], len(CONTENT))
    source.seek(NAME, len(CONTENT))
    assert source.consume(10, 0) == []
    with pytest.raises(LostRecordsError) as caught:
        source.seek(NAME, len(CONTENT) + 1)
    assert caught.value.resume_at == len(CONTENT)
    source.close()


@pytest.mark.parametrize("name", ["p.jsonl.gz", "p.jsonl.zst"])
def test_concatenated_members_are_one_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(PACKERS[name](b"1\n2") + PACKERS[name](b"3\n4\n"))
    source = whole(path)
    assert read(source) == ([b"1", b"23", b"4"], 7)
    source.close()


@pytest.mark.parametrize("name", ["p.jsonl.gz", "p.jsonl.zst"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "not-compressed"])
def test_a_damaged_compressed_file_is_an_error_that_names_it(tmp_path: Path, name: str, damage: str) -> None:
    data = PACKERS[name](os.urandom(4000).hex().encode() * 50)
    path = tmp_path / name
    flipped = data[:20] + bytes(byte ^ 0x55 for byte in data[20:40]) + data[40:]
    path.write_bytes({"cut": data[: len(data) // 2], "flipped": flipped, "not-compressed": b"plain\n" * 50}[damage])
    source = whole(path)
    with pytest.raises(CorruptRecordsError, match=name):
        read(source)
    with pytest.raises(SourceUnavailableError):
        source.end_offsets([NAME])
    source.close()


def test_an_empty_file_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.touch()
    source = whole(path)
    assert source.consume(10, 0) == []
    assert source.end_offsets([NAME]) == {NAME: 0}
    source.close()


def test_empty_lines_alone_move_the_position(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\n\n\r\n")
    source = whole(path)
    (records,) = source.consume(10, 0)
    assert (len(records), records.next_offset) == (0, 4)
    source.close()


@pytest.mark.parametrize("length", [11, 5 << 20])
def test_a_line_that_is_too_long_is_cut_to_one_byte_too_many(tmp_path: Path, length: int) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"first\n" + b"x" * length + b"\nexactly-10\nlast")
    source = whole(path, most=10)
    (records,) = source.consume(10, 0)
    assert records.values == [b"first", b"x" * 11, b"exactly-10", b"last"]
    assert records.offsets == [0, 6, 6 + length + 1, 6 + length + 12]
    assert records.next_offset == path.stat().st_size
    source.close()


def test_a_long_line_is_never_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"x" * (3 << 20))
    log = LogFile(path, 0, 100)
    assert log.lines(5) == []
    assert len(log._tail) <= 105
    assert log.reached == 3 << 20
    log.close()


def test_files_of_a_pattern_are_partitions_in_sorted_order(tmp_path: Path) -> None:
    for letter in "cab":
        (tmp_path / f"{letter}.jsonl").write_bytes(letter.encode() + b"\n")
    source = FileSource({"p": str(tmp_path / "*.jsonl"), "q": str(tmp_path / "z*")}, follow=True)
    assert source.partitions(["p", "q", "r"]) == {"p": 3}
    assert source.topic_ids(["p"]) == {}
    inputs = [TopicPartition("p", number) for number in range(3)]
    source.assign(source.start_offsets(inputs, "earliest"))
    polled = sorted((records.partition, records.values) for records in source.consume(10, 0))
    assert polled == [(0, [b"a"]), (1, [b"b"]), (2, [b"c"])]
    source.close()


def test_a_path_with_brackets_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "p[1].jsonl"
    path.write_bytes(b"1\n")
    source = whole(path)
    assert read(source)[0] == [b"1"]
    source.close()


def test_a_file_that_does_not_exist_is_waited_for_only_when_followed(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    assert FileSource({"p": str(path)}, follow=False).partitions(["p"]) == {}
    source = followed(path)
    assert source.partitions(["p"]) == {"p": 1}
    assert source.end_offsets([NAME]) == source.start_offsets([NAME], "earliest")
    assert source.consume(10, 0) == []
    append(path, b"1\n")
    assert read(source)[0] == [b"1"]
    source.close()


def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    append(path, b"1\n2")
    source = followed(path)
    values, position = read(source)
    assert values == [b"1"]
    assert position == source.end_offsets([NAME])[NAME]
    append(path, b"2\n3")
    assert read(source)[0] == [b"22"]
    source.close()
    again = followed(path, position)
    assert read(again)[0] == [b"22"]
    again.close()


def test_latest_begins_behind_the_last_finished_line(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    append(path, b"1\n2\nhal")
    source = FileSource({"p": str(path)}, follow=True)
    source.assign(source.start_offsets([NAME], "latest"))
    append(path, b"f\n3\n")
    assert read(source)[0] == [b"half", b"3"]
    source.close()


@pytest.mark.parametrize("rotated", ["p.jsonl.1", "p-20261121.jsonl", "p.jsonl-20261121"])
def test_reading_goes_on_in_the_next_file_after_rotation(tmp_path: Path, rotated: str) -> None:
    path = tmp_path / "p.jsonl"
    append(path, b"1\n2\n")
    source = followed(path)
    assert read(source)[0] == [b"1", b"2"]
    path.rename(tmp_path / rotated)
    append(tmp_path / rotated, b"3\n")
    assert read(source)[0] == [b"3"], "the writer still had the old file open"
    append(path, b"4\n")
    append(tmp_path / rotated, b"last of the old one")
    assert read(source)[0] == [b"last of the old one", b"4"]
    append(path, b"5\n")
    assert read(source)[0] == [b"5"]
    source.close()


def rotate(path: Path, clock: list[int]) -> None:
    """Rename as logrotate does, and keep modification times apart however fast the test is."""
    numbers = sorted((int(other.suffix[1:]) for other in path.parent.glob(f"{path.name}.*")), reverse=True)
    for number in numbers:
        (path.parent / f"{path.name}.{number}").rename(path.parent / f"{path.name}.{number + 1}")
    clock[0] += 1
    os.utime(path, (clock[0], clock[0]))
    path.rename(path.parent / f"{path.name}.1")


def test_no_file_is_skipped_when_the_log_is_rotated_twice_at_once(tmp_path: Path) -> None:
    path, clock = tmp_path / "p.jsonl", [1000]
    append(path, b"1\n")
    source = followed(path)
    assert read(source)[0] == [b"1"]
    for text in (b"2\n", b"3\n", b"4\n"):
        append(path, text)
        rotate(path, clock)
    append(path, b"5\n")
    assert read(source, rounds=20)[0] == [b"2", b"3", b"4", b"5"]
    source.close()


def test_files_that_begin_with_the_same_line_are_read_and_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, clock = tmp_path / "p.jsonl", [1000]
    append(path, b"header\n1\n")
    source = followed(path)
    assert read(source)[0] == [b"header", b"1"]
    rotate(path, clock)
    (tmp_path / "p.jsonl.1.gz").write_bytes(gzip.compress((tmp_path / "p.jsonl.1").read_bytes()))
    append(path, b"header\n2\n")
    assert read(source, rounds=20)[0] == [b"header", b"2"]
    assert "begin with the same line" in capsys.readouterr().out
    source.close()


@pytest.mark.parametrize("packer", ["plain", ".gz", ".zst"])
def test_a_restart_finds_the_file_it_was_in_although_it_was_rotated_and_compressed(tmp_path: Path, packer: str) -> None:
    path, clock = tmp_path / "p.jsonl", [1000]
    append(path, b"1\n2\n3\n")
    source = followed(path)
    (records,) = source.consume(1, 0)
    source.close()
    rotate(path, clock)
    append(path, b"4\n")
    old = tmp_path / "p.jsonl.1"
    if packer != "plain":
        packed = tmp_path / f"p.jsonl.1{packer}"
        packed.write_bytes(PACKERS[f"p.jsonl{packer}"](old.read_bytes()))
        os.utime(packed, (clock[0], clock[0]))
        old.unlink()
    again = followed(path, records.next_offset)
    assert read(again, rounds=20)[0] == [b"2", b"3", b"4"]
    again.close()


def test_a_restart_before_the_first_line_misses_none_of_a_file_rotated_meanwhile(tmp_path: Path) -> None:
    path, clock = tmp_path / "p.jsonl", [1000]
    append(path, b"long ago\n")
    rotate(path, clock)
    path.touch()
    source = followed(path)
    begin = source.start_offsets([NAME], "earliest")[NAME]
    source.close()
    append(path, b"1\n")
    path.rename(tmp_path / "p.jsonl.2")
    append(path, b"2\n")
    again = followed(path, begin)
    assert read(again)[0] == [b"1", b"2"]
    again.close()


def test_a_restart_in_a_file_that_is_gone_is_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    append(path, b"1\n2\n")
    source = followed(path)
    (records,) = source.consume(1, 0)
    source.close()
    path.unlink()
    append(path, b"something else\n")
    with pytest.raises(LostRecordsError, match="deleted or overwritten") as caught:
        followed(path, records.next_offset)
    assert caught.value.lost is None
    again = followed(path, caught.value.resume_at)
    assert read(again)[0] == [b"something else"]
    again.close()


@pytest.mark.parametrize("text", [b"", b"9\n", b"the same length or more, and other lines\n"])
def test_a_file_overwritten_in_place_is_a_loss(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "p.jsonl"
    append(path, b"1\n2\n3\n")
    source = followed(path)
    assert read(source)[0] == [b"1", b"2", b"3"]
    path.write_bytes(text)
    with pytest.raises(LostRecordsError, match="truncated or overwritten") as caught:
        read(source)
    source.seek(NAME, caught.value.resume_at)
    append(path, b"4\n")
    assert read(source)[0] == [*text.splitlines(), b"4"]
    source.close()


def test_a_file_cut_back_between_two_runs_is_a_loss(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    append(path, b"1\n2\n3\n")
    source = followed(path)
    position = read(source)[1]
    source.close()
    path.write_bytes(b"1\n")
    with pytest.raises(LostRecordsError, match="truncated"):
        followed(path, position)


def test_a_file_that_cannot_be_read_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.jsonl"
    append(path, b"1\n")
    source = followed(path)
    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "lines", _refuse)
        assert source.consume(10, 0) == []
    assert read(source)[0] == [b"1"]
    source.close()


def _refuse(*_: object, **__: object) -> list[tuple[int, bytes]]:
    raise PermissionError("no")


def test_other_files_of_the_directory_are_not_generations(tmp_path: Path) -> None:
    for name in ("p.jsonl", "p.jsonl.1", "p.jsonl.bak", "pq.jsonl", "p.jsonl.1.swp", "xp.jsonl.1"):
        (tmp_path / name).touch()
    assert {path.name for path in generations(tmp_path / "p.jsonl")} == {"p.jsonl", "p.jsonl.1"}
