"""Rows of a pane: their order, their bound, their bytes."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from detectors.concept.detector import ConceptDetector
from detectors.concept.order import hash_ids, order
from detectors.concept.rows import CorruptRowsError, Rows
from tests.river import errors, ours


def test_order_is_by_log_time_then_hash_then_value() -> None:
    times = np.array([3, 1, 3, 2, 3, 3])
    ids = ["d", "a", "b", "c", "d", "e"]
    values = np.array([0.5, 0.0, 0.0, 0.0, 0.25, 0.0])
    hashes = hash_ids(ids)
    expected = sorted(range(6), key=lambda row: (times[row], int(hashes[row]), values[row]))
    assert order(times, ids, values).tolist() == expected
    assert order(times, hashes, values).tolist() == expected
    assert order(np.empty(0, np.int64), []).tolist() == []
    assert order(np.array([5, -(2**63), 2**63 - 1, 0]), ["a"] * 4).tolist() == [1, 3, 0, 2]


def test_ids_may_be_any_text() -> None:
    texts = ["", "é", "\ud800", "a" * 10_000, "\0"]
    assert len(set(hash_ids(texts).tolist())) == 5
    assert hash_ids([]).dtype == np.uint64


def test_the_bound_keeps_the_lowest_hashes_and_counts_the_rest() -> None:
    ids = [str(place) for place in range(1000)]
    rows = Rows.of(np.arange(1000), ids, np.resize([0.0, 1.0], 1000), bound=100, bits=True)
    lowest = np.sort(np.argsort(hash_ids(ids))[:100])
    assert rows.log_times.tolist() == lowest.tolist()
    assert rows.values.tolist() == (lowest % 2).tolist()
    assert (len(rows), rows.seen, rows.dropped, rows.refused) == (100, 1000, 900, 0)


def test_a_sample_is_fair() -> None:
    values = errors(3, (0.2,), 50_000)
    rows = Rows.of(np.arange(50_000), [f"id-{place}" for place in range(50_000)], values, bound=5_000, bits=True)
    spread = np.sqrt(0.2 * 0.8 / 5_000)
    assert abs(rows.values.mean() - values.mean()) < 4 * spread
    assert abs(np.median(rows.log_times) - 25_000) < 4 * 50_000 / np.sqrt(4 * 5_000)


def test_what_the_guard_refuses_is_counted() -> None:
    values = np.array([1.0, np.nan, 0.5, np.inf, 0.0, 1e300, -1.0])
    ids = list("abcdefg")
    bits = Rows.of(np.arange(7), ids, values, bound=10, bits=True)
    assert (bits.values.tolist(), bits.refused) == ([1.0, 0.0], 5)
    losses = Rows.of(np.arange(7), ids, values, bound=10, bits=False)
    assert (losses.values.tolist(), losses.refused) == ([1.0, 0.5, 0.0, -1.0], 3)


def test_losses_are_float32_from_the_start() -> None:
    values = np.array([0.1, 1e-60, -0.0, 1e15, 16777217.0])
    rows = Rows.of(np.arange(5), list("abcde"), values, bound=10, bits=False)
    assert rows.values.tolist() == [float(np.float32(x)) + 0.0 for x in values]
    assert not np.signbit(rows.values).any()
    assert Rows.from_bytes(rows.to_bytes()) == rows


@pytest.mark.parametrize("bits", [True, False])
@pytest.mark.parametrize(
    "times", [[], [7], [-(2**63), 2**63 - 1], [5, 5, 5], [0, 255], [0, 256], [0, 70_000], [0, 2**40]]
)
def test_bytes(times: list[int], bits: bool) -> None:
    rows = Rows.of(
        np.array(times, np.int64), [str(place) for place in range(len(times))], np.ones(len(times)), bound=9, bits=bits
    )
    back = Rows.from_bytes(rows.to_bytes())
    assert back == rows
    assert back.log_times.tolist() == sorted(times)
    assert [str(column.dtype) for column in (back.hashes, back.values, back.log_times)] == [
        "uint64",
        "float64",
        "int64",
    ]
    assert len(rows.to_bytes()) <= Rows.largest(9)


def test_an_hour_of_ten_thousand_errors_takes_twelve_bytes_a_row() -> None:
    times = np.sort(np.random.default_rng(1).integers(0, 3_600_000_000, 10_000))
    rows = Rows.of(times, [str(place) for place in range(10_000)], np.zeros(10_000), bound=10_000, bits=True)
    assert len(rows.to_bytes()) < 12.2 * 10_000 < Rows.largest(10_000)


@pytest.mark.parametrize("bound", [0, -1, 2**24 + 1])
def test_a_bound_is_from_1_to_2_to_the_24(bound: int) -> None:
    with pytest.raises(ValueError, match="not from 1"):
        Rows.empty(bound, True)


def test_what_does_not_belong_together_does_not_mix() -> None:
    with pytest.raises(ValueError, match="do not mix"):
        Rows.empty(5, True) + Rows.empty(5, False)
    with pytest.raises(ValueError, match="do not mix"):
        Rows.empty(5, True) + Rows.empty(6, True)
    with pytest.raises(ValueError, match="2 log times"):
        Rows.of(np.arange(2), ["a"], np.zeros(2), bound=5, bits=True)


def test_bytes_with_a_good_checksum_are_not_believed() -> None:
    rows = Rows.of(np.array([1, 2]), ["a", "b"], np.array([0.5, 1.0]), bound=5, bits=False)
    good = rows.to_bytes()
    unsorted = bytearray(good)
    unsorted[-8:] = np.array([np.nan, 1.0], "<f4").tobytes()
    swapped = bytearray(Rows.of(np.array([1, 1]), ["a", "b"], np.ones(2), bound=5, bits=False).to_bytes())
    swapped[-24:-8] = swapped[-16:-8] + swapped[-24:-16]
    for body in (unsorted[4:], swapped[4:], good[4:] + b"\0", good[4:-1], b"", b"DLR"):
        with pytest.raises(CorruptRowsError):
            Rows.from_bytes(zlib.crc32(body).to_bytes(4, "big") + bytes(body))


def test_alarms_depend_on_the_log_and_not_on_arrival() -> None:
    """The mutant, rows as they arrive, gives other alarms each time; rows of panes never do."""
    values = errors(4, (0.1, 0.4, 0.2, 0.6), 400)
    times, ids = np.arange(1600) // 3, [f"row {place}" for place in range(1600)]
    detector = ConceptDetector("hddm_w")
    ordered, arrived = set(), set()
    for seed in range(6):
        arrival = np.random.default_rng(seed).permutation(1600)
        panes = [Rows.empty(1000, True) for _ in range(4)]
        for start in range(0, 1600, 190):
            part = arrival[start : start + 190]
            for pane in range(4):
                mine = part[part // 400 == pane]
                panes[pane] += Rows.of(times[mine], [ids[row] for row in mine], values[mine], bound=1000, bits=True)
        states, alarms = detector.initial(1), []
        for pane, rows in enumerate(panes):
            states, found = detector.step(states, Rows.from_bytes(rows.to_bytes()).values)
            alarms += [(400 * pane + index, level) for index, level in ours(found)]
        ordered.add(tuple(alarms))
        arrived.add(tuple(ours(detector.step(detector.initial(1), values[arrival])[1])))
    assert len(ordered) == 1
    assert len(ordered.pop()) > 2
    assert len(arrived) > 1
