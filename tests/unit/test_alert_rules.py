"""Signals, matchers, templates, labels, conditions and rules, on ordinary and on ugly input."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.builtin import INHIBITIONS, RULES
from alerts.conditions import Compare, Silent, StatusIs, Verdict
from alerts.durations import HOUR, SECOND, WEEK
from alerts.judging import Judge
from alerts.labels import LONGEST, clean_name, clean_value
from alerts.matchers import Matcher, MatcherError, parse_matcher, parse_matchers
from alerts.memory import Memory
from alerts.rules import Damping, Persistence, Rule, identity
from alerts.signal import KINDS, Signal, SignalFormatError, decode_signals, encode_signals
from alerts.templates import TemplateError, check_template, render
from alerts.week import Slot, add_to_mean, last_week


def signal(**fields: object) -> Signal:
    return Signal(**{"number": 1, "kind": "drift", "observed_at": 0, "model": "m", **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ('severity="critical"', {"severity": "critical"}, True),
        ("severity=critical", {"severity": "critic"}, False),
        ('severity!="info"', {}, True),
        ('model=""', {}, True),
        ('model!=""', {}, False),
        ('alertname=~"Feature.*|ScoreDrift"', {"alertname": "FeatureDrift"}, True),
        ('alertname=~"Drift"', {"alertname": "FeatureDrift"}, False),
        ('alertname!~"a|b"', {"alertname": "c"}, True),
        (r'path="a\\b\"c\nd"', {"path": 'a\\b"c\nd'}, True),
        ('x=~"[a)*]+(b|c)?d*"', {"x": "a)bd"}, True),
    ],
)
def test_matchers(text: str, labels: dict[str, str], expected: bool) -> None:
    matcher = parse_matcher(text)
    assert matcher.matches(labels) is expected
    assert parse_matcher(str(matcher)) == matcher


@pytest.mark.parametrize(
    "text", ["", "a", "a==b", '"a"=b', 'a="b', "a=b c", 'a=~"("', 'a=~"(a+)+"', 'a=~"(a|a)*b"', 'a=~"(?=x)y"',
             r'a=~"(a)\\1"', 'a=~"a*b*c*d*e*"', r'a="\x"', "1a=b", "a=~\"" + "x" * 2000 + '"', 'a=~"(?<!x)y"',
             'a=~"(a{1,30}){1,30}"'],
)  # fmt: skip
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matcher(text)


@pytest.mark.parametrize("text", ["{a=b", "a=b}", 'a="b" c="d"', "a=b,,c=d"])
def test_what_is_no_list_of_matchers_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse_matchers(text)


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_every_value_can_be_matched(value: str) -> None:
    text = str(Matcher("a", "=", value))
    assert parse_matchers(f"{{{text}, {text}}}") == (Matcher("a", "=", value),) * 2


def test_an_allowed_expression_is_quick_on_the_worst_value() -> None:
    begin = time.process_time()
    Matcher("a", "=~", ".*a.*b.*c.*d").matches({"a": "abc" * 42})
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize(
    "text",
    ["{", "{0}", "{}", "{model.x}", "{model[0]}", "{model!r}", "{n:999999999}", "{other}", "{n:{n}}", "x" * 3000],
)
def test_templates_that_could_do_harm_are_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        check_template(text, frozenset({"model", "n"}))


def test_a_value_that_does_not_fit_its_format_is_shown_as_it_is() -> None:
    assert render("{model:.3g} {n:d}", {"model": "m", "n": 1.5}) == "m 1.5"
    assert render("{a} {b}", {"a": "", "b": math.inf}) == "n/a inf"
    assert render("[sic] {a}[ of {b:.1f}]", {"a": "x", "b": math.nan}) == "[sic] x"


@settings(max_examples=50)
@given(st.text(max_size=400))
def test_labels_are_short_and_printable(value: str) -> None:
    clean = clean_value(value)
    assert len(clean.encode()) <= LONGEST
    assert clean_value(clean) == clean
    assert not any(character < " " for character in clean)


@given(st.text(max_size=20))
def test_names_of_labels_are_valid(name: str) -> None:
    assert clean_name(name).replace("_", "a").isalnum()
    assert clean_name(name).isascii()


def test_ugly_slices_become_labels() -> None:
    labels = identity(signal(slice='a"\n{}\\' + "x" * 1_000_000, labels={"feed-name": "f", "none": ""}))
    assert len(labels["slice"].encode()) == LONGEST
    assert labels.keys() == {"model", "slice", "feed_name"}


def test_signals_survive_storage() -> None:
    signals = [signal(statistic=math.inf, start=1, end=2, labels={"a": "b"}, onset=5), signal(number=2)]
    back = decode_signals(encode_signals(signals))
    assert [each.labels for each in back] == [{"a": "b"}, {}]
    assert (back[0].statistic, back[0].length, back[0].at) == (math.inf, 1, 2)
    assert math.isnan(back[1].statistic)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x02\x90", b"\x01", b"\x01\x91\xc0", b"\x01\x91\x80"])
def test_damaged_signals_are_refused(data: bytes) -> None:
    with pytest.raises(SignalFormatError):
        decode_signals(data)


NAN = math.nan
ABOVE = Compare("statistic", ">", 0.2, clear=0.1)


@pytest.mark.parametrize(
    ("condition", "fields", "verdict"),
    [
        (ABOVE, {"statistic": 0.3}, "BREACH"),
        (ABOVE, {"statistic": 0.2}, "BETWEEN"),
        (ABOVE, {"statistic": 0.1}, "CLEAR"),
        (ABOVE, {"statistic": NAN}, "UNKNOWN"),
        (ABOVE, {"statistic": math.inf}, "BREACH"),
        (ABOVE, {"statistic": -math.inf}, "CLEAR"),
        (ABOVE, {"statistic": 0.3, "status": "insufficient"}, "UNKNOWN"),
        (ABOVE, {"statistic": 0.3, "status": "withdrawn"}, "UNKNOWN"),
        (Compare("low", ">", 0.0), {"low": 0.1}, "BREACH"),
        (Compare("n", "<", 100, clear=200), {"n": 150}, "BETWEEN"),
        (Compare("statistic", "<", 0.8, against="reference"), {"statistic": 0.7, "reference": 0.9}, "BREACH"),
        (Compare("statistic", "<", 0.8, against="reference"), {"statistic": 0.7, "reference": NAN}, "UNKNOWN"),
        (
            Compare("statistic", "<", -0.03, against="reference", how="plus"),
            {"statistic": 0.86, "reference": 0.9},
            "BREACH",
        ),
        (Compare("statistic", ">", 2, against="threshold"), {"statistic": 0.5, "threshold": 0.2}, "BREACH"),
        (Compare("statistic", ">", 2, against="last_week"), {"statistic": 0.5}, "UNKNOWN"),
        (StatusIs(), {"status": "drift"}, "BREACH"),
        (StatusIs(), {"status": "warn"}, "BETWEEN"),
        (StatusIs(), {"status": "ok"}, "CLEAR"),
        (StatusIs(), {"status": "insufficient"}, "UNKNOWN"),
        (Silent(), {"statistic": NAN}, "UNKNOWN"),
    ],
)
def test_conditions(condition: Compare, fields: dict[str, object], verdict: str) -> None:
    assert condition.judge(signal(**fields), {}).name == verdict


@given(st.floats(), st.floats(), st.floats(), st.sampled_from(["absolute", "reference", "threshold"]))
def test_nothing_is_ever_breach_and_clear_at_once(figure: float, base: float, value: float, against: str) -> None:
    if math.isnan(value):
        return
    above = Compare("statistic", ">", value, against=against)  # type: ignore[arg-type]
    below = Compare("statistic", "<", value, against=against)  # type: ignore[arg-type]
    verdicts = [each.judge(signal(statistic=figure, reference=base, threshold=base), {}) for each in (above, below)]
    assert verdicts.count(Verdict.BREACH) <= 1
    known = not math.isnan(figure) and (against == "absolute" or math.isfinite(base))
    assert (Verdict.UNKNOWN in verdicts) is not known


@pytest.mark.parametrize(
    "make",
    [
        lambda: Compare("statistic", ">", 0.2, clear=0.3),
        lambda: Compare("statistic", "<", 0.2, clear=0.1),
        lambda: Compare("statistic", ">", NAN),
        lambda: Compare("label", ">", 1.0),  # type: ignore[arg-type]
        lambda: Persistence(3, 2),
        lambda: Persistence(0, 0),
        lambda: Damping(firings=1),
        lambda: Rule("A", frozenset(), StatusIs()),
        lambda: Rule("A", frozenset({"drift"}), StatusIs(), severity="critical"),
        lambda: Rule("A", frozenset({"drift"}), StatusIs(), labels={"x": "{statistic}"}),
    ],
)
def test_what_makes_no_sense_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        make()  # type: ignore[operator]


def test_the_mean_of_an_hour_last_week() -> None:
    slots: dict[int, Slot] = {}
    for at, value in ((HOUR, 1.0), (HOUR + SECOND, 3.0), (WEEK + HOUR, 10.0), (WEEK + HOUR + 1, 20.0)):
        hour, slot = add_to_mean(slots, at, value)
        slots[hour] = slot
    assert last_week(slots, WEEK + HOUR + 5) == 2.0
    assert last_week(slots, 2 * WEEK + HOUR) == 15.0
    assert math.isnan(last_week(slots, 3 * WEEK + HOUR))
    assert math.isnan(last_week(slots, 2 * HOUR))


def test_too_few_rows_say_nothing() -> None:
    rule = Rule("A", frozenset({"drift"}), StatusIs(), min_n=100)
    judge, memory = Judge((rule,)), Memory()
    assert judge.judge(memory, signal(status="drift", n=99)) == []
    assert len(judge.judge(memory, signal(status="drift", n=100))) == 1
    assert judge.judge(memory, signal(status="ok", n=99, observed_at=1)) == []
    assert [each.state for each in judge.judge(memory, signal(status="ok", n=100, observed_at=2))] == ["resolved"]


def test_rules_choose_by_matchers_and_add_labels() -> None:
    rule = Rule(
        "A", frozenset({"drift"}), StatusIs(), matchers=parse_matchers('owner="pay", kind="drift"'),
        labels={"team": "{owner}-oncall"}, annotations={"summary": "{column} moved by {effect:.2f} since {onset}"},
    )  # fmt: skip
    assert not rule.hears(signal())
    mine = signal(owner="pay", column="age", effect=0.123, onset=1_700_000_000 * SECOND)
    assert rule.hears(mine)
    assert rule.alert_labels(mine)["team"] == "pay-oncall"
    assert rule.texts(mine)["summary"] == "age moved by 0.12 since 2023-11-14 22:13 UTC"


def test_an_old_window_that_turns_bad_says_nothing_of_today() -> None:
    judge, memory = Judge((Rule("A", frozenset({"drift"}), StatusIs()),)), Memory()
    hours = [signal(number=n, start=n * HOUR, end=(n + 1) * HOUR) for n in range(1, 6)]
    for each in hours:
        assert judge.judge(memory, each) == []
    old = signal(number=7, start=2 * HOUR, end=3 * HOUR, status="drift", revision=3)
    assert judge.judge(memory, old) == []
    latest = signal(number=8, start=5 * HOUR, end=6 * HOUR, status="drift", revision=3)
    assert [each.state for each in judge.judge(memory, latest)] == ["firing"]
    taken_back = signal(number=9, start=5 * HOUR, end=6 * HOUR, status="ok", revision=9)
    assert [each.because[:9] for each in judge.judge(memory, taken_back)] == ["withdrawn"]


def test_a_firing_that_a_restated_window_brings_about_speaks_of_the_bad_one() -> None:
    judge, memory = Judge((Rule("A", frozenset({"drift"}), StatusIs()),)), Memory()
    bad = {"start": HOUR, "end": 2 * HOUR}
    later = {"start": 2 * HOUR, "end": 3 * HOUR}
    judge.judge(memory, signal(**bad, number=1, status="drift", explanation="it fell"))
    judge.judge(memory, signal(**later, number=2, explanation="all well"))
    (change,) = judge.judge(memory, signal(**later, number=3, status="insufficient", revision=2))
    (entry,) = memory.entries.values()
    assert (change.state, change.explanation, entry.signal.explanation) == ("firing", "it fell", "it fell")
    (change,) = judge.judge(memory, signal(**bad, number=4, revision=2, explanation="it did not"))
    assert (change.state, change.explanation) == ("resolved", "it did not")
    assert memory.entries[entry.fingerprint].bad is None


def test_evidence_is_annotated_by_what_is_restated() -> None:
    rule = next(rule for rule in RULES if rule.name == "EvidenceAlarm")
    judge, memory = Judge((rule,)), Memory()
    found = {"kind": "evidence", "column": "age", "start": HOUR, "end": 2 * HOUR}
    judge.judge(memory, signal(**found, status="drift"))
    assert judge.judge(memory, signal(**found, number=2, status="ok", revision=5, explanation="now 0.01")) == []
    (entry,) = memory.entries.values()
    assert entry.firing
    assert entry.notes == ("Restated: now 0.01",)


def test_the_built_in_rules_cover_every_kind_that_can_alert() -> None:
    heard = {kind for rule in RULES for kind in rule.kinds}
    assert set(KINDS) - heard == {"fairness"}
    names = {rule.name for rule in RULES}
    for inhibition in INHIBITIONS:
        for matcher in (*inhibition.source, *inhibition.target):
            assert matcher.name != "alertname" or set(matcher.value.split("|")) <= names
    assert not [rule for rule in RULES if rule.severity == "page" and rule.kinds & {"drift", "score"}]
    [paging] = [rule for rule in RULES if rule.severity == "page" and "evidence" in rule.kinds]
    assert not paging.hears(signal(kind="evidence", detector="evidence"))
    for rule in RULES:
        figures = {"statistic": 0.5, "reference": 0.4, "explanation": "why", "column": "age", "labels": {"a": "b"}}
        texts = rule.texts(signal(kind=min(rule.kinds), **figures))
        assert {"summary", "description", "next_step"} <= texts.keys()
        assert not [text for text in texts.values() if "n/a" in text and "labels" not in text and "[" in text]
