"""Worst slices: counted exactly, ranked as SliceLine ranks, judged only by windows that had no part in the choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from detectors.slices.heavy import SpaceSaving
from detectors.slices.lattice import FloatArray, IntArray, Lattice
from detectors.slices.lift import Sums
from detectors.slices.picks import PATIENCE, Counted, Member
from detectors.slices.ranking import BEYOND, LEAST, ranked, slice_score
from detectors.slices.search import Search, SliceAlarm

LATTICE = Lattice((6, 6, 5, 4, 3))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 60))
def test_cells_count_what_brute_force_counts(seed: int, bins: list[int], rows: int) -> None:
    rng = np.random.default_rng(seed)
    lattice = Lattice(tuple(bins))
    codes = np.stack([rng.integers(-1, size, rows) for size in bins], axis=1)
    errors = rng.integers(0, 2, rows)
    counted, wrong = lattice.count(codes, errors)
    for cell in range(lattice.size):
        inside = np.ones(rows, bool)
        for column, code in lattice.predicates(cell):
            inside &= codes[:, column] == code
        assert (counted[cell], wrong[cell]) == (inside.sum(), errors[inside].sum())
    half = rows // 2
    parts = [lattice.count(codes[:half], errors[:half]), lattice.count(codes[half:], errors[half:])]
    assert (parts[0][0] + parts[1][0] == counted).all()
    assert (parts[0][1] + parts[1][1] == wrong).all()


@pytest.mark.parametrize("least", [0, -1])
def test_many_rows_count_as_in_small_parts(least: int) -> None:
    rng = np.random.default_rng(4)
    codes = np.stack([rng.integers(least, size, 5000) for size in LATTICE.bins], axis=1)
    errors = rng.integers(0, 2, 5000)
    whole, room = LATTICE.tally(codes, errors), np.full(2 * LATTICE.size, 7)
    parts = [LATTICE.tally(codes[first : first + 999], errors[first : first + 999]) for first in range(0, 5000, 999)]
    assert (whole == sum(parts)).all()
    assert LATTICE.tally(codes, errors, room).tolist() == whole.tolist()
    assert room.tolist() == whole.ravel().tolist()
    assert whole[: LATTICE.bins[0]].sum() == (codes[:, 0] >= 0).sum()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40), st.booleans())
def test_only_cells_that_can_be_chosen_need_a_score(seed: int, least: int, flawless: bool) -> None:
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(-1, size, 300) for size in LATTICE.bins], axis=1)
    wrong = np.zeros(300, np.int64) if flawless else rng.integers(0, 2, 300)
    rows, errors = (counts.astype(np.float64) for counts in LATTICE.count(codes, wrong))
    total, all_wrong = 300.0, float(wrong.sum())
    score = slice_score(rows, errors, total, all_wrong)
    chosen = []
    for cell in range(LATTICE.size):
        above = [score[one] for one in LATTICE.parents[cell].tolist() if one >= 0 and np.isfinite(score[one])]
        beats = not above or score[cell] > max(above) + BEYOND * abs(max(above))
        if rows[cell] >= least and errors[cell] * total > all_wrong * rows[cell] and beats:
            chosen.append((-score[cell], cell))
    best = ranked(LATTICE, rows, errors, total, all_wrong, 12, least).tolist()
    assert best == [cell for _, cell in sorted(chosen)[:12]]


def test_parents_are_the_cells_of_one_column() -> None:
    for cell in range(LATTICE.size):
        own = LATTICE.predicates(cell)
        parents = [LATTICE.predicates(int(one)) for one in LATTICE.parents[cell] if one >= 0]
        assert parents == ([] if len(own) == 1 else [(one,) for one in own])


@pytest.mark.parametrize("bins", [(), (0,), tuple([2] * 25)])
def test_a_lattice_is_bounded(bins: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 24 columns"):
        Lattice(bins)


def test_codes_of_no_column_are_refused() -> None:
    with pytest.raises(ValueError, match="none of its column"):
        Lattice((2, 3)).count(np.array([[0, 3]]), np.array([0]))
    with pytest.raises(ValueError, match="shape"):
        Lattice((2, 3)).count(np.array([[0]]), np.array([0]))


def test_the_score_is_sliceline_by_hand() -> None:
    rows, errors = np.array([500.0, 200.0, 0.0]), np.array([100.0, 80.0, 0.0])
    score = slice_score(rows, errors, 2000.0, 200.0, alpha=0.6)
    assert score.tolist() == pytest.approx([0.6 * 1 - 0.4 * 3, 0.6 * 3 - 0.4 * 9, -np.inf])
    assert np.isneginf(slice_score(rows, 0 * errors, 2000.0, 0.0)).all()


def test_a_pair_must_say_more_than_its_parents() -> None:
    lattice = Lattice((2, 2))
    codes = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], 1000, axis=0)
    flat = np.tile(np.repeat([1, 0], [100, 900]), 4)
    flat[:2000] = np.tile(np.repeat([1, 0], [300, 700]), 2)
    rows, wrong = lattice.count(codes, flat)
    best = ranked(lattice, rows.astype(float), wrong.astype(float), 4000.0, float(flat.sum()), 10)
    assert [lattice.predicates(int(cell)) for cell in best] == [((0, 0),)], "its children are no worse than it"
    one = np.tile(np.repeat([1, 0], [100, 900]), 4)
    one[:1000] = np.repeat([1, 0], [600, 400])
    rows, wrong = lattice.count(codes, one)
    best = ranked(lattice, rows.astype(float), wrong.astype(float), 4000.0, float(one.sum()), 10)
    assert lattice.predicates(int(best[0])) == ((0, 0), (1, 0))
    few = ranked(lattice, np.full(8, LEAST - 1.0), np.full(8, 100.0), 4000.0, 400.0, 10)
    assert not len(few)
    assert BEYOND > 0


Law = Callable[[IntArray], FloatArray]


def level(codes: IntArray) -> FloatArray:
    return np.full(len(codes), 0.1)


def drawn(rng: np.random.Generator, rows: int, law: Law = level, lattice: Lattice = LATTICE) -> Counted:
    codes = np.stack([rng.integers(0, size, rows) for size in lattice.bins], axis=1)
    errors = (rng.random(rows) < law(codes)).astype(np.int64)
    counted, wrong = lattice.count(codes, errors)
    return Counted(counted, wrong, rows, int(errors.sum()))


class Hasty(Search):
    """Lets a window count that it was chosen by."""

    def step(self, window: Counted, patience: float, number: int) -> list[SliceAlarm]:
        self.picks.remember(window)
        self.picks.promote(number)
        self.seat()
        self.picks.tell(window)
        return self.judge(window, patience, number)


def first_bets(kind: type[Search]) -> FloatArray:
    """Return what the first slices win with the first window that counts for them, as a multiple of their stake."""
    won: list[float] = []
    lattice = Lattice((200,))
    big = np.full(lattice.size, 10**9)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = kind(lattice, Counted(big, big // 10, 10**10, 10**9), tolerance=0.0, alpha=0.999, watched=1)
        number = 0
        while not any(one.rows for one in found.members):
            found.step(drawn(rng, 60_000, lattice=lattice), 1e9, number)
            number += 1
        won += [2 * held for held, one in zip(evidence(found), found.members, strict=True) if one.rows]
    return np.array(won)


def evidence(found: Search) -> list[float]:
    held = np.zeros(len(found.members))
    for group, state in zip(found.fleet.groups, found.state.groups, strict=True):
        held[group.places] = np.exp(state.evidence.total)
    return held.tolist()


def test_a_promoted_slice_wins_nothing_on_average_however_it_was_chosen() -> None:
    won = first_bets(Search)
    assert len(won) == 60
    assert won.mean() + 3 * won.std() / np.sqrt(len(won)) < 1


def test_counting_the_window_that_chose_a_slice_breaks_it() -> None:
    assert first_bets(Hasty).mean() > 1


def test_quiet_slices_keep_the_budget() -> None:
    found = 0
    for seed in range(4):
        rng = np.random.default_rng(seed)
        quiet = Search(LATTICE, drawn(np.random.default_rng(99), 200_000), tolerance=0.0)
        found += sum(bool(quiet.step(drawn(rng, 4000), 30.0, number)) for number in range(60))
    assert poisson.sf(found - 1, 4 * 60 / 30.0) > 1e-3


def test_a_slice_that_goes_wrong_is_found_and_named() -> None:
    def worse(codes: IntArray) -> FloatArray:
        return np.where((codes[:, 1] == 2) & (codes[:, 3] == 0), 0.35, 0.1)

    rng = np.random.default_rng(4)
    search = Search(LATTICE, drawn(rng, 80_000))
    for number in range(10):
        assert not search.step(drawn(rng, 4000), 300.0, number)
    alarms = [(number, one) for number in range(10, 30) for one in search.step(drawn(rng, 4000, worse), 300.0, number)]
    first, alarm = alarms[0]
    assert LATTICE.predicates(alarm.member.cell) == ((1, 2), (3, 0))
    assert first <= 15
    assert alarm.rate == pytest.approx(0.1, abs=0.02)
    assert alarm.member.since > 10, "it was promoted by windows that do not count for it"
    assert alarm.member.errors / alarm.member.rows == pytest.approx(0.35, abs=0.1)


def test_a_slice_that_was_always_bad_is_watched_but_no_alarm() -> None:
    def bad(codes: IntArray) -> FloatArray:
        return np.where(codes[:, 0] == 1, 0.4, 0.1)

    rng = np.random.default_rng(5)
    search = Search(LATTICE, drawn(rng, 80_000, bad))
    assert not [one for number in range(30) for one in search.step(drawn(rng, 4000, bad), 100.0, number)]
    assert any(LATTICE.predicates(member.cell) == ((0, 1),) for member in search.members)


def test_slices_that_rank_low_for_long_are_let_go_and_the_number_is_bounded() -> None:
    rng = np.random.default_rng(6)
    search = Search(LATTICE, drawn(rng, 80_000), watched=3)
    for number in range(2 * PATIENCE):
        search.step(drawn(rng, 3000), 1e6, number)
        assert len(search.members) <= 6
        assert all(isinstance(member, Member) and member.below < PATIENCE for member in search.members)
    assert len({member.since for member in search.members}) > 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=12), max_size=20), st.integers(1, 6))
def test_space_saving_keeps_its_promises(batches: list[list[str]], most: int) -> None:
    found, truth = SpaceSaving(most), Counter[str]()
    for batch in batches:
        counts = Counter(batch)
        truth.update(counts)
        found.add({key: (rows, rows // 2) for key, rows in counts.items()})
    total = sum(truth.values())
    assert found.total == total
    assert len(found.held) <= most
    for key, rows in truth.items():
        if rows > total / most:
            assert key in found.held
    for key, one in found.held.items():
        assert one.rows - one.over <= truth[key] <= one.rows
        assert one.errors <= one.rows - one.over
    assert sum(one.rows for one in found.held.values()) <= total
    assert [key for key, _ in found.certain(1)] == sorted(
        (key for key, one in found.held.items() if one.rows - one.over >= 1), key=lambda k: (-found.held[k].rows, k)
    )


def test_space_saving_refuses_what_makes_no_sense() -> None:
    for counts in ({"a": (0, 0)}, {"a": (1, 2)}, {"a": (3, -1)}):
        with pytest.raises(ValueError, match="at least one row"):
            SpaceSaving().add(counts)


def test_the_lift_holds_its_interval_though_windows_decay() -> None:
    rng = np.random.default_rng(8)
    support, inside, outside = 0.05, 0.3, 0.1
    truth = inside / (support * inside + (1 - support) * outside)
    covered = 0
    for _ in range(600):
        sums = Sums()
        for _ in range(40):
            rows, rest = rng.binomial(1000, support), 0
            rest = 1000 - rows
            bad = rng.binomial(rows, inside)
            sums = sums.after(rows, bad, 1000, bad + rng.binomial(rest, outside), 0.95)
        found = sums.lift()
        covered += found.low <= truth <= found.high
    assert 0.925 <= covered / 600 <= 0.975


def test_a_lift_of_nothing_is_nothing() -> None:
    assert np.isnan(Sums().lift()).all()
    assert np.isnan(Sums().after(5, 0, 100, 0, 0.95).lift().value)
    assert Sums().after(100, 10, 100, 10, 0.95).lift()[:3] == (1.0, 1.0, 1.0)
    none = Sums().after(50, 0, 1000, 100, 0.95).lift()
    assert none.value == 0.0 == none.low
    assert 0 < none.high < 2, "2.5 errors are expected of 50 rows"
    all_ = Sums().after(50, 40, 1000, 40, 0.95).lift()
    assert all_.low > 10
    assert all_.high <= 20
