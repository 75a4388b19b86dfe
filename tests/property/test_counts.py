"""The algebra of counts: laws, bytes, damage, tally."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.counts import CorruptCountsError, Counts, merge_bins, tally

IntArray = NDArray[np.int64]

SIZE = 12
small = st.integers(-(2**40), 2**40)
cells = st.lists(small, min_size=SIZE, max_size=SIZE).map(lambda values: Counts("layout", np.array(values, np.int64)))
anything = st.lists(st.one_of(st.just(0), st.integers(-(2**63), 2**63 - 1), st.integers(-200, 200)), max_size=60)


@given(cells, cells, cells)
@settings(max_examples=60)
def test_counts_are_a_commutative_group(a: Counts, b: Counts, c: Counts) -> None:
    before = a.cells.copy()
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Counts.zero("layout", SIZE) == a
    assert a + b - b == a
    assert a - a == Counts.zero("layout", SIZE)
    assert np.array_equal(a.cells, before)


def test_layouts_do_not_mix() -> None:
    one = Counts.zero("a", 3)
    for other in (Counts.zero("b", 3), Counts.zero("a", 4)):
        assert one != other
        with pytest.raises(ValueError, match="do not mix"):
            one + other
        with pytest.raises(ValueError, match="do not mix"):
            one - other
    assert one != "a"


@given(anything, st.text(max_size=60))
@settings(max_examples=200)
def test_bytes_give_back_every_count(values: list[int], identity: str) -> None:
    counts = Counts(identity, np.array(values, np.int64))
    back = Counts.from_bytes(counts.to_bytes())
    assert back == counts
    assert back.cells.dtype == np.int64


@pytest.mark.parametrize("identity", ["é" * 127, "x" * 255])
def test_an_identity_may_have_255_bytes(identity: str) -> None:
    assert Counts.from_bytes(Counts.zero(identity, 2).to_bytes()).identity == identity


def test_a_longer_identity_is_refused_before_it_is_written() -> None:
    with pytest.raises(ValueError, match="255"):
        Counts.zero("x" * 256, 2).to_bytes()


def test_wide_gaps_round_trip() -> None:
    cells_ = np.zeros(70_000, np.int64)
    cells_[[0, 200, 40_000, 69_999]] = [1, -1, 2**62, 5]
    assert Counts.from_bytes(Counts("wide", cells_).to_bytes()) == Counts("wide", cells_)


@given(anything, st.data())
@settings(max_examples=150)
def test_damage_is_always_noticed(values: list[int], data: st.DataObject) -> None:
    whole = Counts("layout", np.array(values, np.int64)).to_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    for damaged in (bytes(flipped), cut, whole + b"\0"):
        with pytest.raises(CorruptCountsError):
            Counts.from_bytes(damaged)


@given(st.binary(max_size=80), st.binary(max_size=80))
@settings(max_examples=300)
def test_bytes_with_a_right_checksum_still_raise_nothing_else(noise: bytes, tail: bytes) -> None:
    head = Counts("layout", np.array([0, 5, 0, 7])).to_bytes()[4:]
    for body in (noise, head[: len(head) - 3] + tail, head[:1] + noise + head[1 + len(noise) :], head[:2] + noise):
        try:
            Counts.from_bytes(zlib.crc32(body).to_bytes(4, "big") + body)
        except CorruptCountsError:
            continue


@given(
    st.integers(1, 4).flatmap(
        lambda columns: st.lists(
            st.tuples(st.lists(st.integers(1, 6), min_size=columns, max_size=columns), st.integers(0, 2)), max_size=40
        )
    ),
    st.integers(0, 40),
)
@settings(max_examples=100)
def test_tally_is_a_loop_and_does_not_mind_batches(rows: list[tuple[list[int], int]], split: int) -> None:
    columns = len(rows[0][0]) if rows else 1
    codes = np.array([row for row, _ in rows], np.int64).reshape(len(rows), columns).T.copy()
    groups = np.array([group for _, group in rows], np.int64)
    expected = np.zeros((3, 7), np.int64)
    for row, group in rows:
        expected[group, 0] += 1
        for code in row:
            expected[group, code] += 1
    found = tally(codes, 7, groups, 3)
    assert np.array_equal(found, expected)
    parts = tally(codes[:, :split], 7, groups[:split], 3) + tally(codes[:, split:], 7, groups[split:], 3)
    assert np.array_equal(parts, expected)
    alone = tally(codes, 7, np.zeros_like(groups), 1)
    assert np.array_equal(alone[0], expected.sum(axis=0))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_merged_bins_are_sums(groups: list[int], seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 2**50, (3, len(groups)))
    expected = np.zeros((3, max(groups) + 1), np.int64)
    for place, group in enumerate(groups):
        expected[:, group] += counts[:, place]
    merged = merge_bins(counts, np.array(groups))
    assert np.array_equal(merged, expected)
    both = merge_bins(counts + counts[::-1], np.array(groups))
    assert np.array_equal(both, merged + merged[::-1])


def sealed(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big") + body


def body(
    gaps: bytes, wide: bytes = b"", *, filled: int | None = None, identity: bytes = b"a", version: int = 1
) -> bytes:
    size, width = 4, 8
    number = len(gaps) if filled is None else filled
    head = struct.pack("<3sBBBII", b"DLC", version, len(identity), 0, size, number) + identity
    where = gaps + struct.pack("<IB", len(wide) // width, width) + wide
    return head + where + bytes(number) + struct.pack("<IB", 0, 1)


def test_the_format_is_fixed() -> None:
    data = sealed(body(b"\0\1"))
    assert Counts.from_bytes(data) == Counts("a", np.array([1, 0, 1, 0]))
    assert (
        Counts("a", np.array([1, 0, 0, 0])).to_bytes().hex() == "74af2b94444c4301010104000000010000006180000000000001"
    )


def test_damage_behind_a_right_checksum_is_named() -> None:
    broken = {
        "a gap beyond the vector": body(b"\0\3"),
        "one cell too many": body(b"\0" * 5),
        "a gap that overflows": body(b"\xff", struct.pack("<Q", 2**63)),
        "a wide number missing": body(b"\xff"),
        "a wide number too many": body(b"\0", bytes(8)),
        "more cells than said": body(b"\0\0", filled=1),
        "an identity that is no text": body(b"\0", identity=b"\xff"),
        "a newer version": body(b"\0", version=2),
        "another kind of bytes": b"XYZ" + body(b"\0")[3:],
        "unknown flags": body(b"\0")[:5] + b"\x80" + body(b"\0")[6:],
    }
    for damage, data in broken.items():
        with pytest.raises(CorruptCountsError):
            pytest.fail(f"{damage}: {Counts.from_bytes(sealed(data))}")


def test_a_dense_vector_takes_about_a_byte_a_count_and_a_sparse_one_about_two() -> None:
    dense = np.full(8_000, 3, np.int64)
    sparse = np.zeros(80_000, np.int64)
    sparse[::20] = 200
    sparse[0] = 10**6
    assert len(Counts("a", dense).to_bytes()) < 1.2 * len(dense)
    assert len(Counts("a", sparse).to_bytes()) < 2.1 * np.count_nonzero(sparse)
