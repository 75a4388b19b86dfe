"""Checks across fields: each bad configuration has exactly the problems that it should have."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.concept.kinds import KINDS
from monitor.config.model import CONCEPT_KINDS, RiverConfig
from tests.config_files import examined, loaded, minimal, problems, write

SASL = "protocol: SASL_SSL, mechanism: PLAIN, username: u, password: '${P:-x}'"
PANES = "windows are sums of panes"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (minimal("sample: 1"), "predictions", "needs exactly one of topic and file"),
        (minimal("topic: t, file: f"), "predictions", "needs exactly one of topic and file"),
        (minimal("topic: t, map: {time: value..a}"), "predictions.map.time", "not a path: expected .name"),
        (minimal("topic: t, map: {id: '{value.a'}"), "predictions.map.id", "not a path: a brace without its partner"),
        (minimal("topic: t, map: {score: row.a}"), "predictions.map.score", "there are no rows without explode"),
        (minimal("topic: t, explode: value.a"), "predictions.explode", "must start at value and hold [*]"),
        (minimal("topic: t, where: {nothing.a: 1}"), 'predictions.where["nothing.a"]', "not a path: expected one of"),
        (minimal("topic: t, map: {decode: {'value[': json}}"), "predictions.map.decode", "not a path"),
        (minimal("topic: t, feature_names: [a]"), "predictions.feature_names", "needs map.features to be the path"),
        (
            minimal("topic: t, feature_names: [a, a], map: {features: value.f}"),
            "predictions.feature_names",
            "a name is given twice",
        ),
        (minimal("topic: t, map: {features: {score: value.s}}"), "predictions.map.features.score", "a reserved name"),
        (
            minimal("topic: t, feature_names: [a, volume], map: {features: value.f}"),
            "predictions.feature_names[1]",
            "a reserved name",
        ),
        (minimal(model="features: {flagged: {}}"), "features.flagged", "a reserved name"),
        (
            minimal("topic: t, map: {features: {amount: value.a}}", model="features: {amont: {}}"),
            "features.amont",
            "no such feature in map.features",
        ),
        (minimal(model="features: {a: {range: [2, 1]}}"), "features.a.range", "the first number must be below"),
        (minimal("topic: t, map: {score: value.s}", model="decision: score = 1"), "decision", "not a decision"),
        (minimal("topic: t, map: {score: value.s}", model="decision: score >= 1e999"), "decision", "not a decision"),
        (minimal(model="decision: score > 1"), "decision", "a decision needs a score"),
        (minimal(model="reference: {source: none.json}"), "reference.source", "no such file"),
        (minimal(model="reference: {learn: 0s}"), "reference.learn", "must be above 0"),
        (minimal(model="windows: {}"), "windows", "needs at least 1 of them"),
        (minimal(model="windows: {concept: {size: 1h}}"), "windows.concept", "is the name of the hours"),
        (minimal(model="windows: {a: {size: 0s}}"), "windows.a.size", "must be whole minutes"),
        (minimal(model="windows: {a: {size: 90s}}"), "windows.a.size", "must be whole minutes"),
        (minimal(model="windows: {a: {size: 7m}}"), "windows.a.size", PANES),
        (minimal(model="windows: {a: {size: 90m}}"), "windows.a.size", PANES),
        (minimal(model="windows: {a: {size: 5h}}"), "windows.a.size", PANES),
        (minimal(model="windows: {a: {size: 36h}}"), "windows.a.size", PANES),
        (minimal(model="windows: {a: {size: 1h, slide: 0s}}"), "windows.a.slide", "must be whole minutes"),
        (minimal(model="windows: {a: {size: 45m, slide: 30m}}"), "windows.a.size", "must be a multiple of slide"),
        (minimal(model="windows: {a: {size: 15m, slide: 1h}}"), "windows.a.size", "must be a multiple of slide"),
        (minimal(model="windows: {a: {size: 2h, slide: 40m}}"), "windows.a.slide", PANES),
        (minimal(model="detectors: [{kind: psi, window: fats}]"), "detectors[0].window", "no such window"),
        (minimal(model="detectors: [{kind: psi, warn: 2, alert: 1}]"), "detectors[0].warn", "must not be above alert"),
        (minimal(model="detectors: [{kind: psi, on: [featurs]}]"), "detectors[0].on[0]", "no such column"),
        (minimal(model="detectors: [{kind: psi, on: []}]"), "detectors[0].on", "needs at least 1 of them"),
        (minimal(model="idle_timeout: 0s"), "idle_timeout", "must be above 0"),
        (minimal(model="name: x y").replace("  - name: m\n    ", "  - ", 1), "name", "not a name"),
    ],
)
def test_models(tmp_path: Path, text: str, path: str, message: str) -> None:
    found = problems(tmp_path, text)
    assert [problem.path for problem in found] == [f"models[0].{path}"]
    assert found[0].message.startswith(message)


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("kafka: {bootstrap_servers: []}", "kafka.bootstrap_servers", "needs at least 1 of them"),
        ("kafka: {bootstrap_servers: [a]}", "kafka.bootstrap_servers[0]", "not host:port"),
        ("kafka: {bootstrap_servers: ['a:99999']}", "kafka.bootstrap_servers[0]", "not host:port"),
        ("kafka: {request_timeout: 0s}", "kafka.request_timeout", "must be above 0"),
        ("kafka: {dead_letters: {}}", "kafka.dead_letters", "needs exactly one of topic and file"),
        ("kafka: {dead_letters: {topic: d, file: d}}", "kafka.dead_letters", "needs exactly one of topic and file"),
        ("kafka: {dead_letters: {topic: t}}", "kafka.dead_letters.topic", "models[0] reads this topic"),
        ("kafka: {start: 2026-11-01}", "kafka.start", "not one of: earliest, latest, or a time without its offset"),
        ("calendar: {timezone: Mars}", "calendar.timezone", "no such time zone"),
        ("calendar: {timezone: ../etc}", "calendar.timezone", "no such time zone"),
        ("calendar: {holidays: [2026-02-30]}", "calendar.holidays[0]", "not a day"),
        ("http: {listen: '9464'}", "http.listen", "not host:port"),
        ("state: {history: 0s}", "state.history", "must be above 0"),
        ("state: {shards: {count: 2, index: 2}}", "state.shards.index", "must be below count"),
        ("defaults: {windows: {a: {size: 7m}}}", "defaults.windows.a.size", PANES),
        ("defaults: {reference: {learn: 7d, source: x}}", "defaults.reference", "source and learn exclude each other"),
        ("defaults: {detectors: [{kind: ks, warn: 1, alert: 0}]}", "defaults.detectors[0].warn", "must not be above"),
        ("defaults: {detectors: [{kind: ks, window: no}]}", "models[0]", "detector ks from defaults: no such window"),
    ],
)
def test_service(tmp_path: Path, text: str, path: str, message: str) -> None:
    write(tmp_path, "", "x")
    (found,) = problems(tmp_path, minimal(extra=text))
    assert found.path == path
    assert found.message.startswith(message)


@pytest.mark.parametrize(
    ("security", "key", "message"),
    [
        ("mechanism: PLAIN, username: u, password: p", "mechanism", "a mechanism without a SASL protocol"),
        ("protocol: SASL_SSL", "protocol", "a SASL protocol without a mechanism"),
        ("protocol: SASL_SSL, mechanism: PLAIN, password: p", "mechanism", "PLAIN needs username"),
        ("protocol: SASL_SSL, mechanism: SCRAM-SHA-256, username: u", "mechanism", "SCRAM-SHA-256 needs password"),
        ("protocol: SASL_SSL, mechanism: OAUTHBEARER", "mechanism", "OAUTHBEARER needs token_file"),
        (f"{SASL}, token_file: x", "token_file", "token_file is not used by this mechanism"),
        ("username: u", "username", "username is not used by this mechanism"),
        ("ca_file: x", "ca_file", "a certificate without TLS"),
        ("protocol: SSL, cert_file: x", "cert_file", "cert_file without key_file"),
        ("protocol: SSL, key_file: x", "key_file", "key_file without cert_file"),
        ("protocol: SSL, key_password: '${P:-x}'", "key_password", "key_password without key_file"),
        ("protocol: SSL, ca_file: none.pem", "ca_file", "no such file"),
    ],
)
def test_security(tmp_path: Path, security: str, key: str, message: str) -> None:
    write(tmp_path, "", "x")
    (found,) = problems(tmp_path, minimal(extra=f"kafka: {{security: {{{security}}}}}"))
    assert (found.path, found.message) == (f"kafka.security.{key}", message)


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (minimal(extra="kafka: {start: latest}"), "kafka.start", "what was logged before"),
        (
            minimal(extra=f"kafka: {{security: {{{SASL.replace('SASL_SSL', 'SASL_PLAINTEXT')}}}}}"),
            "kafka.security.protocol",
            "the password travels unencrypted",
        ),
        (
            minimal(extra="kafka: {security: {protocol: SSL, check_hostname: false}}"),
            "kafka.security.check_hostname",
            "any broker with a trusted certificate",
        ),
        (minimal(model="reference: {learn: 10d}"), "models[0].reference.learn", "not whole weeks"),
        (minimal(model="windows: {a: {size: 60d}}"), "models[0].windows.a.size", "a window of 60d"),
        (
            minimal("topic: t, map: {features: value.f}", model="detectors: [{kind: psi, on: [amount]}]"),
            "models[0].detectors[0].on[0]",
            "watched only if the stream has a feature",
        ),
    ],
)
def test_doubts_are_warnings(tmp_path: Path, text: str, path: str, message: str) -> None:
    found = examined(tmp_path, text)
    assert found.config is not None
    (warning,) = found.problems
    assert (warning.path, warning.is_warning) == (path, True)
    assert warning.message.startswith(message)


@pytest.mark.parametrize(
    "windows",
    [
        "a: {size: 1m}", "a: {size: 90m, slide: 30m}", "a: {size: 1h}", "a: {size: 6h, slide: 2h}", "a: {size: 1d}",
        "a: {size: 7d, slide: 1d}", "a: {size: 2d}", "a: {size: 36h, slide: 12h}", "a: {size: 15m}, b: {size: 20m}",
    ],
)  # fmt: skip
def test_sound_windows(tmp_path: Path, windows: str) -> None:
    assert loaded(tmp_path, minimal(model=f"windows: {{{windows}}}")).models[0].windows


def test_names_are_unique(tmp_path: Path) -> None:
    text = minimal("topic: t") + "  - {name: m, predictions: {topic: u}}\n  - {name: m, predictions: {topic: v}}\n"
    found = problems(tmp_path, text)
    assert [(p.path, p.message, p.line) for p in found] == [
        ("models[1].name", "the same name as models[0]", 5),
        ("models[2].name", "the same name as models[0]", 6),
    ]


def test_models_that_share_a_topic_should_divide_it(tmp_path: Path) -> None:
    text = minimal("topic: t") + "  - {name: n, predictions: {topic: t, where: {value.m: n}}}\n"
    found = examined(tmp_path, text)
    assert [(p.path, p.is_warning) for p in found.problems] == [("models[0].predictions", True)]


def test_too_many_features(tmp_path: Path) -> None:
    features = ", ".join(f"f{i}: value.f{i}" for i in range(4))
    text = minimal(f"topic: t, map: {{features: {{{features}}}}}", extra="limits: {max_features_per_model: 3}")
    (found,) = problems(tmp_path, text)
    assert found.message == "more features than limits.max_features_per_model (3)"


def test_a_check_is_silent_where_the_type_is_wrong_already(tmp_path: Path) -> None:
    text = minimal(
        "topic: [t], map: {score: 3}",
        model="decision: score > 1\nwindows: {a: {size: x}}\ndetectors: [{kind: psi, window: a}]",
    )
    assert {problem.path for problem in problems(tmp_path, text)} == {
        "models[0].predictions.topic", "models[0].predictions.map.score", "models[0].windows.a.size",
    }  # fmt: skip


def test_one_bad_model_does_not_hide_another(tmp_path: Path) -> None:
    text = minimal("topik: t") + "  - {name: n, predictions: {topic: t}, decision: bad}\n  - 3\n"
    assert [problem.path for problem in problems(tmp_path, text)] == [
        "models[0].predictions", "models[0].predictions.topik", "models[1].decision", "models[1].decision", "models[2]",
    ]  # fmt: skip


LABELLED = (
    "positive_class: 1\ndecision: score >= 0.5\nlabels: {topic: l, time_format: rfc3339, map: {id: value.id}}\n"
    "detectors: "
)
SCORED = "topic: t, map: {id: value.id, score: value.s}"


@pytest.mark.parametrize(
    ("detectors", "path", "message"),
    [
        ("[{kind: adwin, detla: 0.1}]", "detectors[0].detla", "unknown key; did you mean delta?"),
        ("[{kind: adwin, delta: 2}]", "detectors[0].delta", "adwin: 2.0 is not more than 0 and less than 1"),
        ("[{kind: adwin, delta: high}]", "detectors[0].delta", "needs a number"),
        ("[{kind: adwin, clock: 1.5}]", "detectors[0].clock", "needs a whole number"),
        ("[{kind: adwin, clock: 0}]", "detectors[0].clock", "adwin: 0 is not from 1 to 1000000"),
        ("[{kind: adwin, warm_start: 5}]", "detectors[0].warm_start", "adwin: unknown parameter"),
        ("[{kind: adwin, alert: 5}]", "detectors[0].alert", "adwin has no such setting: it watches rows one by one"),
        ("[{kind: adwin, window: fast}]", "detectors[0].window", "adwin has no such setting"),
        ("[{kind: adwim}]", "detectors[0].kind", "did you mean adwin?"),
        ("[{kind: ddm, warning_threshold: 5}]", "detectors[0].warning_threshold", "ddm: 5.0 is above drift_threshold"),
        ("[{kind: page_hinkley, mode: sideways}]", "detectors[0].mode", "not one of: up, down, both"),
        ("[{kind: adwin, on: [errors]}]", "detectors[0].on[0]", "adwin watches error or loss; did you mean error?"),
        ("[{kind: ddm, on: [loss]}]", "detectors[0].on[0]", "ddm counts errors"),
        ("[{kind: adwin}, {kind: adwin, delta: 0.1}]", "detectors[1]", "adwin on error is given twice"),
        ("[{kind: psi, delta: 0.1}]", "detectors[0].delta", "psi has no such setting"),
        ("[{kind: ks, alpha: 1}]", "detectors[0].alpha", "must be below 1"),
    ],
)
def test_detectors_of_concept_drift(tmp_path: Path, detectors: str, path: str, message: str) -> None:
    found = problems(tmp_path, minimal(SCORED, model=LABELLED + detectors))
    assert [problem.path for problem in found] == [f"models[0].{path}"]
    assert message in str(found[0])
    assert found[0].line > 1


@pytest.mark.parametrize(
    ("predictions", "model", "path", "message"),
    [
        (SCORED, "detectors: [{kind: adwin}]", "detectors[0].kind", "adwin needs labels"),
        ("topic: t, map: {id: value.id}", "positive_class: 1", "detectors[0].kind", "no prediction to be wrong"),
        ("topic: t, map: {id: value.id, prediction: value.p}", "positive_class: 1\non: loss", "on[0]", "needs a score"),
        (SCORED, "task: regression", "detectors[0].kind", "no prediction to be off"),
        (SCORED, "task: regression\non: error", "on[0]", "a regression is not right or wrong"),
        (SCORED, "task: multiclass\nclasses: [a, b, c]\non: loss", "on[0]", "needs a score of each"),
    ],
)
def test_what_detectors_of_concept_drift_need(
    tmp_path: Path, predictions: str, model: str, path: str, message: str
) -> None:
    if "detectors" not in model:
        lines, _, on = model.partition("\non: ")
        named = f", on: [{on}]" if on else ""
        labels = "labels: {topic: l, time_format: rfc3339, map: {id: value.id}}"
        model = f"{lines}\n{labels}\ndetectors: [{{kind: adwin{named}}}]"
    found = problems(tmp_path, minimal(predictions, model=model))
    assert [problem.path.removeprefix("models[0].detectors[0].") for problem in found] == [
        path.removeprefix("detectors[0].")
    ]
    assert message in str(found[0])


def test_detectors_of_concept_drift_have_rivers_names(tmp_path: Path) -> None:
    assert set(CONCEPT_KINDS) == set(KINDS)
    assert set(RiverConfig.model_fields) | {"alpha"} == {name for kind in KINDS.values() for name in kind.ranges}
    given = (
        "[{kind: psi}, {kind: page_hinkley, alpha: 1, threshold: 20}, {kind: adwin, on: [error, loss], delta: 0.01}]"
    )
    model = loaded(tmp_path, minimal(SCORED, model=LABELLED + given)).models[0]
    assert [detector.kind for detector in model.statistics] == ["psi"]
    assert [(found.kind, found.parameters, model.streams_of(found)) for found in model.concept] == [
        ("page_hinkley", {"alpha": 1.0, "threshold": 20.0}, ["error"]),
        ("adwin", {"delta": 0.01}, ["error", "loss"]),
    ]
    assert model.detectors_on("error") == []
