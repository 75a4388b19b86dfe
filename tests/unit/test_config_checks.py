"""Checks across fields: each bad configuration has exactly the problems that it should have."""

from __future__ import annotations

from pathlib import Path

import pytest

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
