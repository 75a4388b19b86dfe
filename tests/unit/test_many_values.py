"""Columns of many values: rows by value are exact in any order, and a value that goes wrong is found by its name."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.counts import CorruptCountsError
from detectors.slices.heavy import Heavy, SpaceSaving
from detectors.slices.lift import Sums
from monitor.commands.replay import ReplayOptions, replay
from monitor.events import DAY, HOUR, FloatArray
from monitor.evidence.followed import Followed
from monitor.evidence.learnt import Learnt
from monitor.evidence.searched import Searched
from monitor.model import Model
from monitor.outcomes.cells import Cells
from monitor.outcomes.values import TYPE, WIDTH, Bag, named, packed, readable
from monitor.pipeline import Pipeline
from monitor.sources.memory import Item
from tests.evidence_labels import run
from tests.found_slices import BEGIN, Case, alarms, cases, configured, count_what_chose, forget, logs, source_of, told

TEXTS = st.sampled_from(["", "a", "b", "aa", "a\0", "~", "é" * 12, "é" * 13, "x" * 24, "x" * 25]) | st.text(max_size=40)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_texts_fit_and_stay_apart(one: str, other: str) -> None:
    data = packed(one)
    assert 1 <= len(data) <= WIDTH
    assert np.array([data], TYPE)[0] == data, "no byte is lost in the array"
    assert readable(data).encode() == data
    assert (packed(other) == data) == (one == other)


def bag_of(rows: Sequence[tuple[int, str, bool]], columns: int = 2) -> Bag:
    texts = np.zeros((len(rows), columns), TYPE)
    for row, (column, text, _) in enumerate(rows):
        texts[row, column] = packed(text)
    return Bag.of(texts, np.array([wrong for _, _, wrong in rows], np.int64))


ROWS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from("abcdefg"), st.booleans()), max_size=40)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(0, 40), st.integers(1, 8))
def test_bags_add_up_in_any_order(rows: list[tuple[int, str, bool]], cut: int, most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitor.outcomes.values.MOST", most)
        whole = bag_of(rows)
        for parts in ([rows[:cut], rows[cut:]], [rows[cut:], rows[:cut]], [rows[::2], [], rows[1::2]]):
            bag = sum((bag_of(part) for part in parts), Bag.none())
            assert bag.to_bytes() == whole.to_bytes()
        assert Bag.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()
    found = {
        name: (rows, wrong)
        for name, rows, wrong in zip(whole.names.tolist(), whole.rows.tolist(), whole.wrong.tolist(), strict=True)
    }
    for column in (0, 1):
        true = Counter(text for place, text, _ in rows if place == column)
        errors = Counter(text for place, text, wrong in rows if place == column and wrong)
        assert whole.is_full(column) == (len(true) > most)
        for text in "abcdefg":
            known = None if whole.is_full(column) or not true[text] else (true[text], errors[text])
            assert found.get(named(column, text)) == known


def test_damaged_bags_are_noticed() -> None:
    with pytest.raises(CorruptCountsError, match="damaged"):
        Bag.from_bytes(bag_of([(0, "a", True)]).to_bytes()[:-1])


def plainly(held: dict[str, Heavy], counts: Mapping[str, tuple[int, int]], most: int) -> None:
    """Take in a batch as the paper has it: the least of all makes room, looked for one by one."""
    for key in [key for key in counts if key in held]:
        one = held[key]
        held[key] = Heavy(one.rows + counts[key][0], one.errors + counts[key][1], one.over)
    fresh = [(-rows, key) for key, (rows, _) in counts.items() if key not in held]
    for _, key in sorted(fresh):
        over = 0
        if len(held) == most:
            least = min(held, key=lambda name: (held[name].rows, name))
            over = held.pop(least).rows
        held[key] = Heavy(over + counts[key][0], counts[key][1], over)


HOURS = st.lists(st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 9), max_size=8), max_size=15)


@settings(max_examples=100, deadline=None)
@given(HOURS, st.integers(1, 5))
def test_space_saving_is_that_of_the_paper(hours: list[dict[str, int]], most: int) -> None:
    found, slow = SpaceSaving(most), dict[str, Heavy]()
    for hour in hours:
        counts = {key: (rows, rows // 3) for key, rows in hour.items()}
        plainly(slow, counts, most)
        found.add(counts)
        assert found.held == slow


@settings(max_examples=100, deadline=None)
@given(HOURS, st.integers(1, 5), st.integers(0, 15))
def test_the_reference_of_a_value_has_no_estimate_in_it(hours: list[dict[str, int]], most: int, cut: int) -> None:
    """Its counts are the true ones from one hour on; common values are followed; a restart changes nothing."""
    followed = Followed([SpaceSaving(most), SpaceSaving(most)])
    for number, hour in enumerate(hours):
        if number == cut:
            followed = Followed.restore(followed.state())
        followed.learn(bag_of([(1, key, row < rows // 3) for key, rows in hour.items() for row in range(rows)]))
    counts = followed.settle().reshape(-1, 2).tolist()
    kept = {followed.text(place): (right + wrong, wrong) for place, (right, wrong) in enumerate(counts)}
    total = sum(sum(hour.values()) for hour in hours)
    for key in {key for hour in hours for key in hour}:
        ends = [
            (sum(hour.get(key, 0) for hour in hours[at:]), sum(hour.get(key, 0) // 3 for hour in hours[at:]))
            for at in range(len(hours))
        ]
        if ends[0][0] > total / most:
            assert (1, key) in kept
        if (1, key) in kept:
            assert kept[1, key] in ends
            assert ends[0][0] - kept[1, key][0] <= total / most, "what came before it was taken up"
    assert followed.counts(Bag.none()).tolist() == [0] * 2 * len(followed)


SHOPS = [f"s{number:02d}" for number in range(40)]
LEARNT = BEGIN + 9 * DAY


def shopping(found: Sequence[Case], seed: int, bad: int, names: Sequence[str] = SHOPS, rate: float = 0.8) -> list[Case]:
    """Return the same with a shop each, one of which the file of the reference does not know; it goes wrong."""
    rng, known = random.Random(seed), [*names, "new shop"]
    shops = [rng.choice(known) for _ in found]
    return [
        replace(case, shop=shop, wrong=rng.random() < rate if shop == "new shop" and case.time >= bad else case.wrong)
        for case, shop in zip(found, shops, strict=True)
    ]


def known_shops() -> list[Case]:
    rng = random.Random(5)
    return [replace(case, shop=rng.choice(SHOPS)) for case in cases(BEGIN - DAY, BEGIN, 100, 99)]


def of_shop(found: Sequence[Case], shop: str, first: int, last: int) -> tuple[int, int]:
    own = [case for case in found if case.shop == shop and first <= case.time < last]
    return len(own), sum(case.wrong for case in own)


def test_a_value_that_the_reference_file_never_saw_is_found_and_named(tmp_path: Path) -> None:
    end = LEARNT + 3 * DAY
    found = shopping(cases(BEGIN, end, 60, 3), 1, LEARNT)
    config = configured(tmp_path, learn="8d", window="6h", find="min_samples: 20", known=known_shops())
    pipeline = run(config, tmp_path, logs(found, pause_every=3000))
    assert {piece for _, piece, _ in alarms(pipeline)} == {"shop=new shop"}
    start, piece, finding = alarms(pipeline)[0]
    assert LEARNT <= start < end
    assert finding.explanation.startswith("drift: up (wrong: ")
    source = source_of(pipeline)
    assert source.picks is not None
    assert source.cells is not None
    (member,) = [one for one in source.picks.members if source.label(source.cells, one.cell) == piece]
    assert member.since * 6 * HOUR > LEARNT, "it was promoted by windows that do not count for it"
    assert (member.rows, member.errors) == of_shop(found, "new shop", member.since * 6 * HOUR, end)
    sums = Sums()
    for first in range(member.since * 6 * HOUR, end, 6 * HOUR):
        own = [case for case in found if first <= case.time < first + 6 * HOUR]
        rows, errors = of_shop(own, "new shop", first, end)
        sums = sums.after(rows, errors, len(own), sum(case.wrong for case in own), 0.95)
    assert member.recent.lift() == pytest.approx(sums.lift())
    rows, errors = of_shop(found, "new shop", BEGIN, BEGIN + 8 * DAY)
    assert source.rate(member.cell) == errors / rows, "with 41 shops Space-Saving let none go"


FILES = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"]}}
models:
  - name: m
    task: regression
    predictions: {{file: "{folder}/p.jsonl", time_format: epoch_us,
      map: {{id: value.id, time: value.ts, version: value.v, features: value.f, prediction: value.s}}}}
    labels: {{file: "{folder}/l.jsonl", time_format: epoch_us, matures_after: 4h,
      map: {{id: value.id, time: value.at, label: value.y}}}}
    join: {{wait: 8h}}
    performance: {{learn: 8d}}
    evidence: {{window: 6h}}
    reference: {{source: reference.json}}
    find_slices: {{min_samples: 20}}
    windows: {{daily: {{size: 1d, lateness: 1m, restate_for: 2h}}}}
state: {{path: "{folder}/state"}}
"""


def test_replay_tells_of_a_value_whose_numbers_are_off(tmp_path: Path) -> None:
    """Both at once: a regression from files, and a value that its reference of columns does not know."""
    rng, begin = random.Random(1), BEGIN + 10 * DAY
    configured(tmp_path, task="regression", known=[replace(one, score=100 * one.score) for one in known_shops()[:300]])
    found = [
        replace(
            case,
            score=round(100 * case.score, 2),
            error=rng.gauss(0, 9 if case.shop == "new shop" and case.time >= begin else 1),
        )
        for case in shopping(cases(BEGIN, begin + 3 * DAY, 60, 3), 1, begin)
    ]
    for name, log in zip("pl", (logs(found)["p"], logs(found)["l"]), strict=True):
        lines = [item.value.decode() for item in log if isinstance(item, Item) and item.value is not None]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "driftline.yaml").write_text(FILES.format(folder=tmp_path))
    assert replay(tmp_path / "driftline.yaml", {}, ReplayOptions(json=tmp_path / "out.jsonl")) == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    own = [row for row in rows if row["window"] == "evidence:slices" and row["slice"] == "shop=new shop"]
    assert {row["slice"] for row in rows if row["window"] == "evidence:slices" and row["status"] == "drift"} == {
        "shop=new shop"
    }
    assert {row["detector"] for row in own} == {"evidence", "lift"}
    lift = next(row for row in reversed(own) if row["detector"] == "lift")
    assert 3 < lift["low"] <= lift["statistic"] <= lift["high"], (
        "eight of ten errors of its own are large, one of others"
    )


def test_batches_pauses_and_restarts_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twenty values at a time: of more than there are hours to learn them, some are let go of and taken up again."""
    monkeypatch.setattr("monitor.evidence.followed.MOST", 20)
    found = shopping(cases(BEGIN, BEGIN + 44 * HOUR, 60, 4), 2, BEGIN + 30 * HOUR)
    many = {"learn": "1d", "find": "min_samples: 20", "known": known_shops()}
    whole = run(configured(tmp_path / "a", **many), tmp_path / "a", logs(found, pause_every=900))  # type: ignore[arg-type]
    rarely, restart = random.Random(1), random.Random(11)
    config = configured(tmp_path / "b", **many)  # type: ignore[arg-type]
    pieces = run(config, tmp_path / "b", logs(found, pause_every=331), seed=1, rarely=rarely, restart=restart)
    assert any(result.slice.startswith("shop=s") for result in told(whole))
    assert len(source_of(whole)._followed) == 20
    assert [repr(result) for result in told(pieces)] == list(map(repr, told(whole)))


def test_a_column_of_ids_sits_the_hour_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.outcomes.values.MOST", 22)
    found = shopping(cases(BEGIN, BEGIN + 30 * HOUR, 60, 4), 2, BEGIN + 26 * HOUR)
    config = configured(tmp_path, learn="1d", find="min_samples: 20", known=known_shops())
    pipeline = run(config, tmp_path, logs(found, pause_every=900))
    source, own = source_of(pipeline), {*SHOPS, "new shop"} - cell_names(pipeline)
    hours = [
        Counter(case.shop for case in found if case.time // HOUR == BEGIN // HOUR + hour and case.shop in own)
        for hour in range(30)
    ]
    quiet = [hour for hour in hours[:24] if len(hour) <= 22]
    assert 3 < len(quiet) < 21
    counts = source._reference[-2 * len(source._followed) :].reshape(-1, 2).sum(axis=1).tolist()
    kept = {source._followed.text(place)[1]: rows for place, rows in enumerate(counts)}
    assert kept == dict(sum(quiet, Counter[str | None]()))
    assert source.cells is not None
    for hour in range(24, 28):
        bag = bag_of([(0, shop, False) for shop in hours[hour].elements() if shop is not None], 1)
        assert bag.is_full(0) == (len(hours[hour]) > 22)
        assert len(source._followed.unknown(bag.full)) == (len(kept) if bag.full else 0)


def cell_names(pipeline: Pipeline) -> set[str]:
    cells = source_of(pipeline).cells
    assert cells is not None
    return set(cells.cuts[cells.keyed[0]].names)


def known(self: Searched, model: Model, cells: Cells, learnt: Learnt, _learn: object = Searched._learn) -> None:
    """Learn as ever, then take the law of the reference for known: a tenth of all rows are wrong."""
    before = learnt.end
    _learn(self, model, cells, learnt)  # type: ignore[operator]
    if before is None and learnt.end is not None:
        self._reference = np.tile([9 * 10**9, 10**9], len(self._reference) // 2)
        self._fresh_picks(cells)


def limit(time: int, features: tuple[str, str, str]) -> float:
    """Return the greatest error rate that is of no interest beside a tenth: odds 1.25 times as high."""
    odds = 1.25 / 9
    return odds / (1 + odds)


def first_bets(folder: Path, seed: int) -> FloatArray:
    """Return what values win with the first window that counts for them, as a multiple of their stake.

    The choice is forgetful here, so that values come and go in every window.
    """
    plain = [*cases(BEGIN, BEGIN + DAY, 30, seed, limit), *cases(BEGIN + DAY, BEGIN + 4 * DAY, 300, seed + 1, limit)]
    rng, common = random.Random(seed), [f"t{number}" for number in range(8)]
    found = [replace(case, shop=rng.choice(common if rng.random() < 0.9 else SHOPS)) for case in plain]
    tight = "{warn: {false_incidents: 1 per 3650d, ignore_below: 0}}"
    find = "min_samples: 20, most: 1, by: [shop]"
    config = configured(folder, find=find, learn="1d", alarms=tight, known=known_shops())
    pipeline = run(config, folder, logs(found, pause_every=3000))
    windows: dict[int, dict[str, float]] = {}
    for result in told(pipeline):
        held = [finding.statistic for finding in result.findings if finding.detector == "evidence"]
        windows.setdefault(result.start, {}).update((result.slice, one) for one in held if result.slice)
    cells = cell_names(pipeline)
    return np.array(
        [
            math.exp(held) * len(window)
            for start, window in windows.items()
            for piece, held in window.items()
            if piece not in windows.get(start - HOUR, {}) and not math.isinf(held)
            and piece.removeprefix("shop=") not in cells
        ]
    )  # fmt: skip


@pytest.fixture
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, known)


@pytest.mark.usefixtures("_forgetful")
def test_a_value_wins_nothing_on_average_however_it_was_chosen(tmp_path: Path) -> None:
    won = first_bets(tmp_path, 1)
    assert len(won) >= 30
    assert won.mean() + 3 * won.std() / np.sqrt(len(won)) < 1


@pytest.mark.usefixtures("_forgetful")
def test_counting_the_window_that_chose_a_value_breaks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count_what_chose(monkeypatch)
    assert first_bets(tmp_path, 1).mean() > 1
