"""The configuration changes over a restart: what changed starts fresh and says so, all else goes on to the last bit."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.config.load import load
from monitor.events import HOUR, MINUTE
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.positions import MissingTopicError
from monitor.snapshot import Snapshots
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import LostRecordsError, TopicPartition
from monitor.status import summarise
from tests.crash.ground import prepare, write_reference
from tests.crash.runs import Cells, Key, Outcome, drain, memory, outcome_of
from tests.crash.stream import BEGIN, value

ROWS, STEP, PARTITIONS = 800, MINUTE, 2
"""Rows of a partition, a minute apart: 13 hours."""
CUT = 411
"""Where the configuration changes, in each partition: within a window of every kind."""
HALF_WAY = BEGIN + CUT * STEP
Change = Callable[[str], str]


def log(partition: int) -> list[Item]:
    """Return rows in order, of which every fiftieth is three hours late."""
    rng = random.Random(f"changes:{partition}")
    times = [BEGIN + n * STEP - (3 * HOUR if n % 50 == 49 else 0) for n in range(ROWS)]
    return [Item(value(rng, f"{partition}-{n}", time)) for n, time in enumerate(times)]


LOGS = {number: log(number) for number in range(PARTITIONS)}


def replacing(*pairs: tuple[str, str]) -> Change:
    """Return a change of the configuration's text."""

    def change(text: str) -> str:
        for old, new in pairs:
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        return text

    return change


@dataclass
class Service:
    """A configuration with its state on disk, run a piece at a time."""

    folder: Path
    topics: dict[str, dict[int, list[Item]]] = field(default_factory=lambda: {"p": LOGS})
    logged: list[str] = field(default_factory=list)
    """What the log said of changes at the last start."""
    shown: dict[str, list[str]] = field(default_factory=dict)
    """Model → what the status showed of changes at the last start."""
    beginning: dict[TopicPartition, int] = field(default_factory=dict)
    """Positions just after the last start."""

    def __post_init__(self) -> None:
        self.path = prepare(self.folder, "p", "unused:9092")
        few = ("      - {kind: rate, on: [quality]}\n", ""), ("      - {kind: ks, on: [numeric, score]}\n", "")
        self.change(replacing(*few, ("on: [features, score]", "on: [score]"), ("1d, slide: 4h", "6h, slide: 2h")))

    def change(self, change: Change) -> None:
        self.path.write_text(change(self.path.read_text()))

    def run(self, until: int | None = None, *, killed: bool = False, finish: bool = False) -> Outcome:
        """Read the logs up to a place.

        ``killed`` ends as kill -9 does, with rows read that are not yet written; ``finish`` closes every window.
        """
        contents = {topic: {n: rows[:until] for n, rows in logs.items()} for topic, logs in self.topics.items()}
        with self.opened(memory(contents)) as pipeline:
            drain(pipeline)
            if killed:
                more = {n: rows[: (until or 0) + 40] for n, rows in self.topics["p"].items()}
                for number, rows in more.items():
                    source = pipeline.source
                    assert isinstance(source, MemorySource)
                    source.append(TopicPartition("p", number), *rows[until:])
                assert pipeline.step(0) > 0
            if finish:
                pipeline.finish()
            return outcome_of(pipeline)

    def opened(self, source: MemorySource) -> closing[Pipeline]:
        with capture_logs() as logs:
            pipeline = open_pipeline(load(self.path, {}), source, base=self.folder)
        self.logged = [entry["change"] for entry in logs if "change" in entry]
        self.beginning = pipeline.positions()
        status = summarise(Snapshots("1", "x").take(pipeline))
        self.shown = {model["name"]: model["configuration_changes"] for model in status["models"]}
        return closing(pipeline)


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return what a run without any stop says."""
    return Service(tmp_path_factory.mktemp("unchanged")).run()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return what a run says that comes half way."""
    return Service(tmp_path_factory.mktemp("before")).run(CUT, finish=True)


@pytest.fixture
def stopped(tmp_path: Path) -> Service:
    """Return a service that came half way and was stopped in order."""
    service = Service(tmp_path)
    service.run(CUT)
    return service


@pytest.fixture(params=[False, True], ids=["stopped", "killed"])
def halfway(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    """Return a service that came half way and was stopped in order, or killed."""
    service = Service(tmp_path)
    service.run(CUT, killed=request.param)
    return service


def column(outcome: Outcome, name: str, model: str = "m") -> dict[Key, tuple[int, ...]]:
    """Return the cells of one column in every window that counts it."""
    return {key: cells[name] for key, cells in outcome.cells.items() if key[0] == model and name in cells}


def minus(whole: Outcome, part: Outcome, name: str) -> dict[Key, tuple[int, ...]]:
    """Return what a column counted in one run and not yet in the other."""
    before = column(part, name)
    return {
        key: tuple(n - m for n, m in zip(cells, before.get(key, (0,) * len(cells)), strict=True))
        for key, cells in column(whole, name).items()
    }


def figures(outcome: Outcome, window: str = "", model: str = "m") -> dict[Key, tuple[int, int]]:
    """Return rows and revision of every window of the whole traffic, or of those of one name."""
    return {
        key: one[:2]
        for key, one in outcome.windows.items()
        if key[0] == model and not key[2] and window in {"", key[3]}
    }


def assert_same(outcome: Outcome, expected: Outcome, *columns: str) -> None:
    """Check that windows hold the same rows, and that these columns count the same in each."""
    assert figures(outcome) == figures(expected)
    for counter in ("on_time", "late", "decode_fallback"):
        assert outcome.counters["m", counter] == expected.counters["m", counter]
    for name in ("rows", *columns):
        assert column(expected, name)
        assert column(outcome, name) == column(expected, name), name


def rebuild(service: Service, extra: str) -> None:
    """Build the reference anew, with more said of the features."""
    text = service.path.read_text()
    service.path.write_text(text.replace("    reference:", f"    {extra}\n    reference:"))
    write_reference(load(service.path, {}), service.folder / "reference.json")
    service.path.write_text(text)


def test_nothing_changed_is_a_run_without_a_stop(halfway: Service, unchanged: Outcome) -> None:
    assert halfway.run() == unchanged
    assert halfway.logged == []
    assert halfway.shown == {"m": []}


def test_positions_stay_where_they_were(stopped: Service) -> None:
    stopped.change(replacing(("kind: psi,", "kind: psi, alert: 0.2,"), ("size: 15m", "size: 30m")))
    stopped.run(CUT)
    assert stopped.beginning == {TopicPartition("p", number): CUT for number in range(PARTITIONS)}


def test_a_threshold_resets_nothing(stopped: Service, unchanged: Outcome) -> None:
    stopped.change(replacing(("kind: psi,", "kind: psi, warn: 0.001, alert: 0.002, alpha: 0.5,")))
    outcome = stopped.run()
    assert stopped.logged == []
    assert_same(outcome, unchanged, "age", "amount", "country", "score")
    assert outcome.clocks == unchanged.clocks
    assert outcome.windows != unchanged.windows


def test_a_feature_that_is_ignored_from_now_on_leaves_the_others_alone(stopped: Service, unchanged: Outcome) -> None:
    stopped.change(replacing(("    reference:", "    features: {age: {type: ignore}}\n    reference:")))
    outcome = stopped.run()
    assert stopped.logged == ["no longer counted: age"]
    assert stopped.shown == {"m": stopped.logged}
    assert_same(outcome, unchanged, "amount", "country", "score")
    assert column(outcome, "age") == {}


def test_a_feature_that_is_added_counts_from_now_on(tmp_path: Path, unchanged: Outcome, before: Outcome) -> None:
    service = Service(tmp_path)
    whole = (tmp_path / "reference.json").read_text()
    rebuild(service, "features: {age: {type: ignore}}")
    service.run(CUT)
    (tmp_path / "reference.json").write_text(whole)
    outcome = service.run()
    assert service.logged == ["counted from now on: age"]
    assert_same(outcome, unchanged, "amount", "country", "score")
    assert column(outcome, "age") == minus(unchanged, before, "age")


def test_a_column_with_other_edges_starts_fresh_alone(halfway: Service, unchanged: Outcome, tmp_path: Path) -> None:
    narrow = "features: {amount: {range: [-1.5, 1.5]}}"
    rebuild(halfway, narrow)
    outcome = halfway.run()
    sentence = "start fresh, since their bins or their mapping changed: amount"
    assert halfway.logged == [sentence]
    assert halfway.shown == {"m": [sentence]}
    assert_same(outcome, unchanged, "age", "country", "score")
    (tmp_path / "other").mkdir()
    other = Service(tmp_path / "other")
    rebuild(other, narrow)
    whole = other.run()
    (tmp_path / "part").mkdir()
    other = Service(tmp_path / "part")
    rebuild(other, narrow)
    assert column(outcome, "amount") == minus(whole, other.run(CUT, finish=True), "amount")


def test_a_column_that_reads_another_field_starts_fresh_alone(stopped: Service, unchanged: Outcome) -> None:
    stopped.change(replacing(("score: value.score", "score: value.features.age")))
    outcome = stopped.run()
    assert stopped.logged == ["start fresh, since their bins or their mapping changed: score, slices of country"]
    assert_same(outcome, unchanged, "age", "amount", "country")
    late = {key for key in column(unchanged, "score") if key[4] >= HALF_WAY}
    assert late
    for key in late:
        cells = column(outcome, "score")[key]
        assert cells != column(unchanged, "score")[key]
        assert sum(cells) == column(outcome, "rows")[key][0]


@pytest.mark.parametrize("size", [5, 10, 30, 60])
def test_a_window_of_another_size_starts_fresh_and_the_others_go_on(
    unchanged: Outcome, tmp_path: Path, size: int
) -> None:
    halfway = Service(tmp_path)
    halfway.run(CUT, killed=size in {10, 30})
    change = replacing(("size: 15m", f"size: {size}m"))
    halfway.change(change)
    outcome = halfway.run()
    assert halfway.logged == ["windows that start fresh after the latest row: fast"]
    assert figures(outcome, "daily") == figures(unchanged, "daily")
    daily = {key: cells for key, cells in unchanged.cells.items() if key[3] == "daily"}
    assert daily
    assert daily == {key: cells for key, cells in outcome.cells.items() if key[3] == "daily"}
    (tmp_path / "other").mkdir()
    other = Service(tmp_path / "other")
    other.change(change)
    whole = other.run()
    since = (HALF_WAY - STEP) // (size * MINUTE) * size * MINUTE + size * MINUTE
    new = {key: one for key, one in figures(outcome, "fast").items() if key[5] - key[4] == size * MINUTE}
    assert new == {key: one for key, one in figures(whole, "fast").items() if key[4] >= since}
    assert fast(outcome, since) == fast(whole, since)
    old = {key: one for key, one in figures(outcome, "fast").items() if key[5] - key[4] == 15 * MINUTE}
    assert len(old) == len({key for key in figures(unchanged, "fast") if key[5] + MINUTE <= HALF_WAY - STEP})


def fast(outcome: Outcome, since: int) -> dict[Key, Cells]:
    return {key: cells for key, cells in outcome.cells.items() if key[3] == "fast" and key[4] >= since}


def test_a_window_may_go_and_another_may_come(stopped: Service, unchanged: Outcome) -> None:
    stopped.change(replacing(("      fast: {size: 15m,", "      short: {size: 20m,")))
    outcome = stopped.run()
    assert stopped.logged == ["windows that start fresh after the latest row: short", "windows that are no more: fast"]
    assert figures(outcome, "daily") == figures(unchanged, "daily")
    assert min(key[4] for key in figures(outcome, "short")) >= HALF_WAY - STEP


def test_windows_that_were_due_when_they_went_are_forgotten(tmp_path: Path) -> None:
    """Killed between the write that closes windows and their evaluation; then the configuration has other windows."""
    service = Service(tmp_path)

    def crash(point: str) -> None:
        if point == "after_write":
            raise KeyboardInterrupt

    contents = memory({"p": {n: items[:CUT] for n, items in LOGS.items()}})
    with service.opened(contents) as pipeline:
        pipeline.fault = crash
        pipeline.step(0)
        with pytest.raises(KeyboardInterrupt):
            pipeline.checkpoint()
        assert {window for window, _, _ in pipeline.closings["m"].due} == {"fast", "daily"}
    service.change(replacing(("      fast: {size: 15m,", "      short: {size: 20m,")))
    outcome = service.run(CUT)
    assert {key[3] for key in outcome.windows} == {"daily"}


SECOND_MODEL = """\
  - name: n
    task: binary_classification
    predictions:
      topic: {topic}
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, features: value.features, score: value.score}}
    reference: {{source: reference.json}}
    windows: {{fast: {{size: 15m, lateness: 1m, restate_for: 1d}}}}
    detectors: [{{kind: psi, on: [features]}}]
state:"""


def with_second(topic: str) -> Change:
    return replacing(("state:", SECOND_MODEL.format(topic=topic)))


def without_second(text: str) -> str:
    head, rest = text.split("  - name: n\n")
    return head + "state:" + rest.split("state:")[1]


def test_a_model_that_is_added_leaves_the_others_alone(stopped: Service, unchanged: Outcome, before: Outcome) -> None:
    stopped.change(with_second("p"))
    outcome = stopped.run()
    assert stopped.logged == []
    assert of_model(outcome, "m") == of_model(unchanged, "m")
    assert stopped.beginning == {TopicPartition("p", number): CUT for number in range(PARTITIONS)}
    assert outcome.counters["n", "on_time"] + outcome.counters["n", "late"] == PARTITIONS * (ROWS - CUT)


def of_model(outcome: Outcome, name: str) -> list[object]:
    return [
        {key: one for key, one in found.items() if key[0] == name}
        for found in (outcome.windows, outcome.cells, outcome.clocks, outcome.counters)
    ]


def test_a_model_with_a_topic_of_its_own_comes_goes_and_comes_back(stopped: Service, unchanged: Outcome) -> None:
    """Its topic has fewer partitions than the other's, and is deleted once nobody reads it."""
    stopped.topics = {"p": LOGS, "q": {0: LOGS[0]}}
    stopped.change(with_second("q"))
    both = stopped.run(CUT + 100)
    assert stopped.beginning[TopicPartition("q", 0)] == 0
    assert figures(both, model="n"), "windows close although the other topic has more partitions"
    stopped.change(without_second)
    stopped.topics = {"p": LOGS}
    alone = stopped.run(CUT + 200)
    assert {name.topic for name in stopped.beginning} == {"p"}
    assert figures(alone, model="n") == figures(both, model="n")
    stopped.topics = {"p": LOGS, "q": {0: LOGS[0]}}
    stopped.change(with_second("q"))
    again = stopped.run()
    assert stopped.beginning[TopicPartition("q", 0)] == CUT + 100
    assert of_model(again, "m") == of_model(unchanged, "m")
    assert again.counters["n", "on_time"] + again.counters["n", "late"] == ROWS


def test_a_stream_that_moved_to_another_topic_goes_on(stopped: Service, unchanged: Outcome) -> None:
    """The new topic holds what came after the move; it has fewer partitions."""
    rest = [item for pair in zip(*(LOGS[n][CUT:] for n in range(PARTITIONS)), strict=True) for item in pair]
    stopped.topics = {"q": {0: rest}}
    stopped.change(replacing(("topic: p", "topic: q")))
    outcome = stopped.run()
    assert stopped.logged == ["reads q and no longer p; counts and event time go on, positions are each topic's own"]
    assert stopped.beginning == {TopicPartition("q", 0): 0}
    assert_same(outcome, unchanged, "age", "amount", "country", "score")


def test_a_topic_that_does_not_exist_is_named(stopped: Service) -> None:
    stopped.change(replacing(("topic: p", "topic: nowhere")))
    with pytest.raises(MissingTopicError, match="no such topic or file: nowhere"):
        stopped.run()


@pytest.mark.parametrize("killed_at_the_start", [False, True])
def test_a_topic_made_anew_is_an_error_or_read_from_its_beginning(tmp_path: Path, *, killed_at_the_start: bool) -> None:
    service = Service(tmp_path)
    source = memory({"p": {n: items[:CUT] for n, items in LOGS.items()}})
    with service.opened(source) as pipeline:
        drain(pipeline)
    source.recreate("p")
    for number, items in LOGS.items():
        source.append(TopicPartition("p", number), *items)
    with pytest.raises(LostRecordsError, match="made anew"):
        service.opened(source)
    service.change(replacing(("    idle_timeout: 1h", "    idle_timeout: 1h\n    lost_records: reset")))
    if killed_at_the_start:
        with service.opened(source):
            pass
    with service.opened(source) as pipeline:
        assert set(service.beginning.values()) == {0}
        drain(pipeline)
        counters = outcome_of(pipeline).counted()
    assert counters == {"records": PARTITIONS * (CUT + ROWS), "gaps": PARTITIONS}


@pytest.mark.parametrize(("first", "then"), [(1, 4), (4, 1)])
def test_the_bound_of_versions_changes_what_comes_after_it_only(tmp_path: Path, first: int, then: int) -> None:
    service = Service(tmp_path)
    service.change(lambda text: text + f"limits: {{versions: {first}}}\n")
    part = service.run(CUT)
    service.change(replacing((f"versions: {first}", f"versions: {then}")))
    outcome = service.run()
    assert service.logged == []
    if first == 4:  # versions that are known stay known until they run out
        assert {key[1] for key in outcome.windows} == {"1", "2"}
        return
    assert {key[1] for key in part.windows} == {"1", "other"}
    assert {key[1] for key in outcome.windows} == {"1", "other", "2"}
    late = [key for key in outcome.cells if key[1] == "other" and key[4] >= HALF_WAY]
    assert all(not outcome.cells[key]["rows"][0] for key in late)


@dataclass
class Learner(Service):
    """The same, with a reference that is learnt from the stream over three hours."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.change(replacing(("{source: reference.json}", "{learn: 3h}")))

    def at(self) -> str:
        """Return what the model is at."""
        with self.opened(memory(self.topics)) as pipeline:
            learning = pipeline.assembly.models["m"].learning
            return "learnt" if learning is None else learning.stage


STAGES = {"edges": 30, "counts": 200, "learnt": CUT}
"""What a learner is at, and how far it has read by then."""


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a hundred records at a time, and find two hundred rows enough to learn from."""
    monkeypatch.setattr("monitor.pipeline._BATCH", 100)
    monkeypatch.setattr("monitor.learning.ENOUGH", 200)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("stage", STAGES)
def test_what_was_learnt_goes_on_after_a_change_that_does_not_touch_it(tmp_path: Path, stage: str) -> None:
    """Read in two parts, of which the second begins while edges are sought, while rows are counted, or after it."""
    until = STAGES[stage]
    change = replacing(("kind: psi,", "kind: psi, alert: 0.2,"))
    (tmp_path / "whole").mkdir()
    whole = Learner(tmp_path / "whole")
    whole.change(change)
    whole.run(until)
    expected = whole.run()
    (tmp_path / "changed").mkdir()
    service = Learner(tmp_path / "changed")
    service.run(until)
    assert service.at() == stage
    service.change(change)
    outcome = service.run()
    assert service.logged == []
    assert outcome.cells == expected.cells
    assert outcome.counters == expected.counters


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            ("features: value.features", "features: value.others"),
            "learns its reference anew, since the mapping changed: features",
        ),
        (("{learn: 3h}", "{learn: 6h}"), "learns its reference anew, since the period changed"),
    ],
)
def test_a_reference_is_learnt_anew_where_it_no_longer_fits(
    tmp_path: Path, stage: str, change: tuple[str, str], sentence: str
) -> None:
    until = STAGES[stage]
    service = Learner(tmp_path)
    service.topics = {"p": {number: list(map(renamed, log)) for number, log in LOGS.items()}}
    service.run(until)
    assert service.at() == stage
    service.change(replacing(change))
    if stage == "learnt" and "period" in sentence:
        service.run()
        assert service.logged == [], "a reference that is there stays"
        return
    service.run()
    assert service.logged[0] == sentence
    with service.opened(memory(service.topics)) as pipeline:
        model = pipeline.assembly.models["m"]
        assert service.logged == []
        assert model.reference is not None, "learnt from the rows that came after the change"
        assert set(model.reference.columns) == {"amount", "age", "country", "score"}
        learnt_from = model.reference.source.split("the stream, ")[1].split(" to ")[0]
        hours = round((datetime.fromisoformat(learnt_from).timestamp() * 1e6 - BEGIN) / HOUR, 2)
        assert hours >= until * STEP / HOUR


def renamed(item: Item) -> Item:
    """Return a record that carries its features under two names, with other amounts under the second."""
    row = json.loads(item.value or b"")
    row["others"] = {**row["features"], "amount": 7}
    return replace(item, value=json.dumps(row).encode())
