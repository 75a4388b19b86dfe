"""Reading the configuration and telling what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.config.load import ConfigError, load
from monitor.events import DAY, HOUR, MINUTE
from tests.config_files import FIFTEEN_LINES, FULL, examined, loaded, minimal, problems, told, write


def test_fifteen_lines_suffice(tmp_path: Path) -> None:
    config = loaded(tmp_path, FIFTEEN_LINES, {"KAFKA": "broker:9092"})
    model = config.models[0]
    assert config.kafka.bootstrap_servers == ["broker:9092"]
    assert model.reference is not None
    assert model.reference.learn == 14 * DAY
    assert model.windows is not None
    assert {name: (w.size, w.slide, w.lateness) for name, w in model.windows.items()} == {
        "fast": (15 * MINUTE, None, MINUTE),
        "daily": (DAY, HOUR, 30 * MINUTE),
    }
    assert model.detectors


def test_the_whole_surface_is_read(tmp_path: Path) -> None:
    write(tmp_path, "hunter2\n", "secret")
    config = loaded(tmp_path, FULL)
    assert config.kafka.security.password is not None
    assert config.kafka.security.password.get_secret_value() == "hunter2"
    assert config.kafka.start == 1_793_491_200_000_000
    assert config.limits.max_record_bytes == 1 << 20
    assert config.models[0].windows is not None
    assert config.models[0].windows["daily"].min_samples == 2000
    assert config.models[0].features["amount"].range == (0, 100_000)


def test_everything_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = """\
version: 1
kafka:
  start: soon
  securty: {}
modles: []
models:
  - nmae: m
    task: binary_clasification
    decision: score is 3
    predictions:
      topic: t
      sample: 1.5
      map: {score: valeu.score, featuers: value.f}
    features:
      amount: {type: numric, importance: [1]}
    detectors:
      - {alhpa: 0.1, kind: ks, window: dayly}
    windows: {daily: {size: 45, slide: 1h}}
    lost_records: ${NO_SUCH}
"""
    assert told(tmp_path, text) == [
        (
            "driftline.yaml:3:10: kafka.start: not one of: earliest, latest, or not a time; "
            "write RFC 3339, such as 2026-11-01T00:00:00Z [E106]"
        ),
        "driftline.yaml:4:3: kafka.securty: unknown key; did you mean security? [E104]",
        "driftline.yaml:5:1: modles: unknown key; did you mean models? [E104]",
        "driftline.yaml:7:5: models[0].name: is missing [E105]",
        "driftline.yaml:7:5: models[0].nmae: unknown key; did you mean name? [E104]",
        (
            "driftline.yaml:8:11: models[0].task: not one of: binary_classification, multiclass, regression, ranking; "
            "did you mean binary_classification? [E106]"
        ),
        (
            "driftline.yaml:9:15: models[0].decision: not a decision; write score, one of >= > < <=, and a number, "
            "such as: score >= 0.92 [E106]"
        ),
        "driftline.yaml:12:15: models[0].predictions.sample: must be at most 1 [E106]",
        (
            "driftline.yaml:13:20: models[0].predictions.map.score: not a path: expected one of value, row, key, "
            "headers, topic, timestamp, partition, offset at position 0 [E106]"
        ),
        "driftline.yaml:13:33: models[0].predictions.map.featuers: unknown key; did you mean features? [E104]",
        (
            "driftline.yaml:15:22: models[0].features.amount.type: not one of: numeric, categorical, vector, id, "
            "ignore; did you mean numeric? [E106]"
        ),
        "driftline.yaml:15:42: models[0].features.amount.importance: needs a number [E103]",
        "driftline.yaml:17:10: models[0].detectors[0].alhpa: unknown key; did you mean alpha? [E104]",
        "driftline.yaml:17:40: models[0].detectors[0].window: no such window; did you mean daily? [E109]",
        (
            "driftline.yaml:18:29: models[0].windows.daily.size: a duration without its unit; "
            "write 30s, 15m, 1h30m, 14d [E106]"
        ),
        (
            "driftline.yaml:19:19: models[0].lost_records: the variable NO_SUCH is not set; "
            "set it, or write ${NO_SUCH:-default} [E107]"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", (1, 1), "is empty"),
        ("# nothing\n", (1, 1), "is empty"),
        ("- 1\n", (1, 1), "needs a mapping"),
        ("just text\n", (1, 1), "needs a mapping"),
        ("version: 1\nmodels: [\n", (3, 1), "the file ends before this is closed"),
        ("version: 1\nlog: 'x\n", (3, 1), "the file ends before this is closed"),
        ("version: 1\nlog: @x\n", (2, 6), "a character that cannot begin a value here"),
        ("version: 1\nlog: *x\n", (2, 6), "an alias without its anchor"),
        ("version: 1\nlog: a: b\n", (2, 7), "a second colon on the line"),
        ("version: 1\n---\nversion: 1\n", (2, 1), "a second document"),
        ("version: 1\n\tlog: {}\n", (2, 1), "a tab"),
        ("version: 1\nlog: \x07\n", (2, 6), "a character that is not printable"),
        ("version: 1\n log: {}\n", (2, 5), "a second colon on the line"),
        ("[" * 3000, (1, 1), "is nested too deeply"),
    ],
)  # fmt: skip
def test_syntax_errors_have_a_place(tmp_path: Path, text: str, place: tuple[int, int], message: str) -> None:
    (found,) = [problem for problem in problems(tmp_path, text) if problem.code == "E101"]
    assert ((found.line, found.column), found.message) == (place, message)


def test_duplicate_keys_name_the_first(tmp_path: Path) -> None:
    text = minimal(extra="log: {level: info, level: debug}\nhttp: {}\nhttp: {}")
    assert told(tmp_path, text) == [
        "driftline.yaml:5:20: log.level: given twice, first in line 5; keep one of them [E102]",
        "driftline.yaml:7:1: http: given twice, first in line 6; keep one of them [E102]",
    ]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("checkpoint_records", "true", "true and false are of no use here"),
        ("checkpoint_records", "1.5", "needs a whole number"),
        ("checkpoint_records", "many", "needs a whole number"),
        ("checkpoint_records", "", "needs a whole number"),
        ("checkpoint_records", "[1]", "needs a whole number"),
        ("checkpoint_records", "0", "must be at least 1"),
        ("generations", "101", "must be at most 100"),
        ("checkpoint", "15", "a duration without its unit"),
        ("checkpoint", "1.5s", "not a duration"),
        ("checkpoint", "-1s", "not a duration"),
        ("checkpoint", "0s", "must be above 0"),
        ("path", "3", "needs a text"),
        ("path", "{a: b}", "needs a text"),
        ("shards", "2", "needs a mapping"),
        ("shards", "[]", "needs a mapping"),
        ("shards", "{count: 2, index: 2}", "must be below count"),
    ],
)
def test_wrong_values_are_told(tmp_path: Path, key: str, value: str, message: str) -> None:
    (found,) = problems(tmp_path, minimal(extra=f"state:\n  {key}: {value}"))
    assert found.path.startswith(f"state.{key}")
    assert found.message == message
    assert found.line == 6


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    text = minimal(model="detectors:\n  - {kind: psi, alert: .nan}\n  - {kind: psi, warn: .inf}")
    assert [problem.message for problem in problems(tmp_path, text)] == ["needs a finite number"] * 2


def test_the_names_of_a_union_do_not_show(tmp_path: Path) -> None:
    text = minimal("topic: t, map: {features: 3}")
    (found,) = problems(tmp_path, text)
    assert (found.path, found.message) == ("models[0].predictions.map.features", "needs a text, or needs a mapping")
    (found,) = problems(tmp_path, minimal("topic: t, map: {features: {a: [1]}}"))
    assert (found.path, found.message) == ("models[0].predictions.map.features.a", "needs a text")


def test_anchors_and_merges_are_read(tmp_path: Path) -> None:
    text = """\
version: 1
models:
  - &one
    name: one
    predictions: &stream {topic: t, where: {value.m: a}, map: {score: value.s}}
  - <<: *one
    name: two
    predictions: {<<: *stream, where: {value.m: b}}
"""
    one, two = loaded(tmp_path, text).models
    assert (two.name, two.predictions.topic, two.predictions.where) == ("two", "t", {"value.m": "b"})
    assert two.predictions.map == one.predictions.map


@pytest.mark.parametrize(
    "text",
    ["version: 1\nlog: &a {level: *a}\n", "version: 1\nlog: &a [*a]\n", "version: 1\nlog: &a\n  <<: *a\n"],
)
def test_an_alias_to_itself_is_refused(tmp_path: Path, text: str) -> None:
    messages = {problem.message for problem in problems(tmp_path, text)}
    assert messages & {"an alias to what it stands in", "only mappings can be merged"}


def test_aliases_of_aliases_stay_small(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert [problem.message for problem in problems(tmp_path, "\n".join(lines))] == ["holds more than 200000 values"]


def test_tags_are_refused(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, minimal(extra="state: {path: !secret x}"))
    assert (found.path, found.message) == ("state.path", "a tag that is not known")


def test_a_folder_is_one_configuration(tmp_path: Path) -> None:
    write(tmp_path, "version: 1\nstate: {path: here}\n", "00-service.yaml")
    write(tmp_path, minimal("topic: a, where: {value.m: 1}").replace("name: m", "name: one"), "10-one.yaml")
    write(tmp_path, "state: {generations: 3}\nmodels: [{name: two, predictions: {topic: b}}]\n", "20-two.yml")
    write(tmp_path, "not: read\n", "notes.txt")
    config = load(tmp_path, {})
    assert [model.name for model in config.models] == ["one", "two"]
    assert (config.state.path, config.state.generations) == ("here", 3)


def test_files_that_disagree_name_both_places(tmp_path: Path) -> None:
    write(tmp_path, minimal(extra="log: {level: info}"), "a.yaml")
    write(tmp_path, "version: 1\nlog:\n  level: debug\n", "b.yaml")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    (found,) = caught.value.problems
    assert str(found) == (
        f"{tmp_path}/b.yaml:3:3: log.level: said otherwise in {tmp_path}/a.yaml:5:7; keep one of them [E108]"
    )


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, "version: [\n", "a.yaml")
    write(tmp_path, "models: [{name: m, predictions: {topic: t, sampel: 1}}]\n", "b.yaml")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {})
    assert [problem.code for problem in caught.value.problems] == ["E101", "E104"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_bytes(b"version: 1\nlog: \xff\n")
    for path, message in [
        (tmp_path / "none.yaml", "cannot be read: No such file or directory"),
        (tmp_path / "bad.yaml", "is not UTF-8"),
    ]:
        with pytest.raises(ConfigError, match=message):
            load(path, {})
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"holds no \*\.yaml file"):
        load(folder, {})


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    assert loaded(tmp_path, "\ufeff" + minimal()).version == 1


def test_warnings_do_not_refuse(tmp_path: Path) -> None:
    found = examined(tmp_path, minimal(extra="kafka: {start: latest}"))
    assert found.config is not None
    assert [problem.path for problem in found.problems] == ["kafka.start"]
    assert found.problems[0].is_warning


def test_keys_may_look_like_other_types(tmp_path: Path) -> None:
    features = "map: {features: {1: value.a, true: value.b, null: value.c, no: value.d}}"
    mapped = loaded(tmp_path, minimal(f"topic: t, {features}")).models[0].predictions.map.features
    assert isinstance(mapped, dict)
    assert list(mapped) == ["1", "true", "null", "no"]
