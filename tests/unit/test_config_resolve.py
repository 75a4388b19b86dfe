"""What models inherit, and the scalars of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.resolve import WINDOWS, resolve
from monitor.config.types import format_duration, parse_duration, parse_moment, parse_size
from monitor.events import DAY, HOUR
from tests.config_files import loaded, minimal, write

DEFAULTS = """\
defaults:
  reference: {learn: 7d, bins: 64}
  windows: {hourly: {size: 1h}}
  detectors: [{kind: ks}]
"""


def test_a_model_that_says_nothing_inherits_everything(tmp_path: Path) -> None:
    model = loaded(tmp_path, minimal(extra=DEFAULTS)).models[0]
    assert model.reference is not None
    assert (model.reference.learn, model.reference.bins) == (7 * DAY, 64)
    assert list(model.windows or ()) == ["hourly"]
    assert [detector.kind for detector in model.detectors or ()] == ["ks"]


def test_a_models_own_windows_and_detectors_replace_the_defaults(tmp_path: Path) -> None:
    own = "windows: {daily: {size: 1d}}\ndetectors: [{kind: psi}]"
    model = loaded(tmp_path, minimal(model=own, extra=DEFAULTS)).models[0]
    assert list(model.windows or ()) == ["daily"]
    assert [detector.kind for detector in model.detectors or ()] == ["psi"]


@pytest.mark.parametrize(
    ("own", "source", "learn", "bins"),
    [
        ("{bins: 32}", None, 7 * DAY, 32),
        ("{source: a.json}", "a.json", None, 64),
        ("{learn: 14d}", None, 14 * DAY, 64),
        ("{learn: null}", None, 7 * DAY, 64),
        ("{}", None, 7 * DAY, 64),
    ],
)
def test_references_are_filled_field_by_field(
    tmp_path: Path, own: str, source: str | None, learn: int | None, bins: int
) -> None:
    write(tmp_path, "{}", "a.json")
    reference = loaded(tmp_path, minimal(model=f"reference: {own}", extra=DEFAULTS)).models[0].reference
    assert reference is not None
    assert (reference.source, reference.learn, reference.bins) == (source, learn, bins)


def test_built_in_detectors_fit_the_models_windows(tmp_path: Path) -> None:
    model = loaded(tmp_path, minimal(model="windows: {hourly: {size: 1h}}")).models[0]
    assert {detector.window for detector in model.detectors or ()} == {None}
    model = loaded(tmp_path, minimal()).models[0]
    assert {detector.window for detector in model.detectors or ()} <= {None, *WINDOWS}


def test_to_resolve_twice_changes_nothing(tmp_path: Path) -> None:
    config = loaded(tmp_path, minimal(extra=DEFAULTS))
    assert resolve(config) == config


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**18))
def test_durations_survive_writing(micros: int) -> None:
    assert parse_duration(format_duration(micros)) == micros


@pytest.mark.parametrize(
    ("text", "micros"), [("1h30m", 90 * 60 * 10**6), ("2w", 14 * DAY), (" 24h ", 24 * HOUR), ("0", 0), ("1ms", 1000)]
)
def test_durations(text: str, micros: int) -> None:
    assert parse_duration(text) == micros


@pytest.mark.parametrize("text", ["", "h", "1", "1 h", "1.5h", "-1h", "1y", "1h-", True, None, -1, 1.0, [], "١h"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("1MiB", 1 << 20), ("3", 3), ("2 kB", 2000), (5, 5), ("0B", 0)])
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1mb", "-1", "1.5MiB", True, -1, None])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.000001+01:00", 1),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_moments(text: str, micros: int) -> None:
    assert parse_moment(text) == micros


@pytest.mark.parametrize("text", ["", "now", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", None, True])
def test_what_is_no_moment(text: object) -> None:
    with pytest.raises(ValueError, match=r"not a time|ambiguous"):
        parse_moment(text)
