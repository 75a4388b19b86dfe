"""What messages tell, and that they stay small."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.receivers.size import BODY_LIMIT, exact, fit, plain
from alerts.receivers.text import MOST_ENTRIES, compose, gravest, in_words
from alerts.receivers.times import NEVER, for_people, moment, rfc3339
from tests.receivers.running import NOW, alert, group, resolved


def test_a_message_tells_what_moved_how_sure_since_when_what_follows_and_what_to_do() -> None:
    words = in_words(compose(group(), 5, 1000))
    for told in (
        "[FIRING] FeatureDrift: fraud-scorer",
        "What moved: PSI of amount from 0.01 to 0.31",
        "How sure: n = 12,000, 95 % within 0.28 to 0.34",
        "Since: 2026-10-26 06:33 UTC",
        "Likely effect: recall may fall by 3 points",
        "Next step: look at the feed of amounts",
        "Page: https://driftline.example/models/fraud-scorer?at=1",
        "Dashboard: https://grafana.example/d/x?var-model=fraud-scorer&from=1&to=2",
        "Runbook: https://runbooks.example/FeatureDrift",
        "Where: feature=amount, model=fraud-scorer, owner=payments",
        "Severity: page",
    ):
        assert told in words
    assert "not shown" not in words


def test_the_onset_that_a_rule_states_comes_before_the_alerts_beginning() -> None:
    one = alert(annotations={"since": "09:00, with version 8"})
    words = in_words(compose(group(one), 1, 1000))
    assert "Since: 09:00, with version 8" in words
    assert "FeatureDrift" in words
    assert "from" not in words.split("Since")[0].replace("FeatureDrift", "")


def test_an_alert_without_annotations_still_says_its_name() -> None:
    entry = compose(group(alert(annotations={})), 1, 100).entries[0]
    assert entry.heading == "FeatureDrift"
    assert dict(entry.facts).keys() == {"Since", "Where", "Severity"}


def test_the_title_counts_what_fires_and_names_the_kinds() -> None:
    over = resolved(alert())
    assert compose(group(alert(), alert("Other"), over), 0, 100).title == "[FIRING 2] 2 kinds of alert: fraud-scorer"
    assert compose(group(over), 0, 100).title == "[RESOLVED] FeatureDrift: fraud-scorer"
    assert compose(group(over, over), 0, 100).title == "[RESOLVED 2] FeatureDrift: fraud-scorer"
    assert compose(group(*[alert()] * 3, truncated=9997), 3, 100).title.startswith("[FIRING 10,000] ")
    assert dict(compose(group(over), 1, 100).entries[0].facts)["Until"] == "2026-10-26 07:33 UTC"


def test_what_is_left_out_is_counted() -> None:
    many = group(*[alert()] * 30, truncated=12)
    assert compose(many, 5, 100).remainder == "37 more alerts are not shown."
    assert compose(group(alert(), alert()), 1, 100).remainder == "1 more alert is not shown."
    assert compose(group(), 1, 100).remainder == ""


def test_the_gravest_of_what_fires_counts() -> None:
    page, warn = alert(), alert(labels={"alertname": "A", "severity": "warn"})
    assert gravest(group(warn, page)) == "page"
    assert gravest(group(warn, resolved(page))) == "warn"
    assert gravest(group(resolved(warn), resolved(page))) == "page"
    assert gravest(group(alert(labels={"severity": "odd"}))) == "warn"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "https://a b", "https://x\n", "//x", "https://é", "https://x/" + "a" * 1000, "https://"],
)
def test_a_link_that_is_no_web_address_is_left_out(url: str) -> None:
    one = alert(url=url, annotations={"runbook_url": url})
    message = compose(group(one, url=url), 1, 1000)
    assert message.links == ()
    assert message.entries[0].links == ()


@given(st.text(), st.integers(1, 50))
def test_plain_text_is_on_one_line_seen_and_cut(text: str, width: int) -> None:
    told = plain(text, width)
    assert len(told) <= width
    told.encode()
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in told)
    assert not set(told) & set("\u202e\u2066\u200b\ufeff\u2028")
    assert plain(told, width) == told


def test_what_is_cut_says_so() -> None:
    assert plain("a" * 100, 10) == "a" * 9 + "…"
    assert plain("\x00" * 10_000 + "a", 10) == "…"
    assert plain("word " * 10, 100) == " ".join(["word"] * 10)
    assert exact("ab\x00\ud800", 10) == "ab\x00\ufffd"
    assert exact("abcdef", 3) == "ab…"


@settings(max_examples=40)
@given(st.integers(0, 60), st.lists(st.integers(1, 400), min_size=60, max_size=60), st.integers(450, 3000))
def test_as_many_entries_as_fit_are_kept(count: int, sizes: list[int], limit: int) -> None:
    def render(entries: int, width: int) -> bytes:
        return b"x" * (40 + sum(min(size, width) for size in sizes[:entries]))

    body = fit(count, render, limit, (400, 4))
    assert len(body) <= limit
    fitting = [entries for entries in range(count + 1) if len(render(entries, 400)) <= limit]
    if fitting[-1]:
        assert body == render(fitting[-1], 400)


def test_a_thousand_texts_of_a_megabyte_are_told_quickly_and_small() -> None:
    huge = "\x1b[2J<b>&'\"ü" * 100_000
    one = alert(labels={"alertname": huge, "model": huge}, annotations={"summary": huge, "moved": huge, "from": huge})
    message = compose(group(*[one] * 1000, labels={"model": huge}), MOST_ENTRIES, 300)
    assert len(in_words(message)) < 100_000
    assert len(message.title) <= 300


def test_times() -> None:
    assert rfc3339(NOW) == "2026-10-26T07:33:20.000000Z"
    assert for_people(NOW) == "2026-10-26 07:33 UTC"
    assert rfc3339(-(10**30)) == "0001-01-01T00:00:00.000000Z"
    assert for_people(-(10**30)) == "0001-01-01 00:00 UTC"
    assert moment(10**30).year == 9999
    assert NEVER.startswith("0001-01-01T00:00:00")
    assert dataclasses.replace(group(), sent_at=0).sent_at == 0
    assert BODY_LIMIT == 20_000
