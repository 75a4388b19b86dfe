"""Bad input of every kind through the whole service: each record is counted as what it is, nothing else changes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.decoding.decoder import Decoder
from monitor.events import SECOND, Chunk, Records
from monitor.metrics import make_registry
from monitor.new_columns import NEW
from monitor.pipeline import Pipeline
from monitor.snapshot import Snapshots
from monitor.sources.memory import Item
from monitor.views import ViewHolder
from tests.crash.bad_records import BAD_TIMES, EMPTY, GROUPS, NO_ROW, bad, good
from tests.crash.poison import ROWS, Mixed, Odd, Poison, configure, harm, mix, plain_rows, run, text_of
from tests.crash.runs import Outcome
from tests.crash.stream import BEGIN
from tests.example_view import UGLY


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a configuration with its reference; dead letters are told apart by the run."""
    return configure(tmp_path_factory.mktemp("poison"))


@pytest.fixture(scope="module")
def clean(path: Path) -> Outcome:
    """Return a run over the clean stream."""
    outcome = fresh(path, mix([]).clean)
    drifts = {key for key, found in outcome.findings.items() if any(one.status == "drift" for one in found)}
    assert drifts, "the stream drifts, so that a drift that is hidden would show"
    assert any(key[5] <= BEGIN + 21 * 3600 * SECOND for key in drifts), "and soon after its middle"
    return outcome


def fresh(path: Path, logs: dict[int, Any], **options: Any) -> Outcome:
    """Run with history and dead letters of its own."""
    folder = path.parent
    for name in ("dead.jsonl", "state/history.sqlite", "state/history.sqlite-wal", "state/history.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    return run(path, logs, **options)


@pytest.mark.parametrize("group", GROUPS)
def test_bad_records_are_told_apart_and_do_no_harm(path: Path, clean: Outcome, group: str) -> None:
    mixed = mix(GROUPS[group], every=60 if group == "values beyond the limit" else 7)
    assert {record.reason for record in GROUPS[group]} - {None} == set(mixed.reasons())
    assert harm(fresh(path, mixed.dirty), clean, mixed) == []


def test_all_of_it_at_once_however_it_is_read(path: Path, clean: Outcome) -> None:
    mixed = mix([poison for group in GROUPS.values() for poison in group], every=2)
    assert harm(fresh(path, mixed.dirty, seed=8), clean, mixed) == []
    assert harm(fresh(path, mixed.dirty, seed=None), clean, mixed) == []


def spelt(spell: Callable[[int, dict[str, Any]], bytes | None]) -> Callable[[int, dict[str, Any]], Odd | None]:
    """Return what writes some rows in another way that means the same."""

    def odd(number: int, row: dict[str, Any]) -> Odd | None:
        text = spell(number, row)
        return None if text is None else Odd(text, text_of(row))

    return odd


def strange_spelling(number: int, row: dict[str, Any]) -> bytes | None:
    """Write a row as some producer or another would."""
    text = text_of(row)
    kinds = [
        b"\xef\xbb\xbf" + text, b" \n" + text + b"\r\n\t", json.dumps(row, indent=4).encode(),
        json.dumps(row, ensure_ascii=True).replace('"score"', '"\\u0073core"').encode(),
        text[:-1] + b', "prediction_id": ' + json.dumps(row["prediction_id"]).encode() + b"}",
        b'{"score": "first of two", ' + text[1:], text[:-1] + b', "extra": [NaN, Infinity, -Infinity, "NaN"]}',
        text[:-1] + b', "\\ud800": "\\udfff", "deep": ' + b"[" * 30 + b"]" * 30 + b"}",
        text[:-1] + b', "long": "' + b"x" * ((1 << 20) - len(text) - 12) + b'"}',
        text[:-1] + b', "": null, "\\u0000": 0}',
    ]  # fmt: skip
    return kinds[number // 4 % len(kinds)] if number % 4 == 0 else None


def test_strange_spellings_count_as_what_they_say(path: Path, clean: Outcome) -> None:
    mixed = mix([], spelt(strange_spelling))
    assert len(mixed.dirty[0][32].value or b"") == 1 << 20
    assert harm(fresh(path, mixed.dirty), clean, mixed) == []


def test_keys_and_headers_may_be_anything(path: Path, clean: Outcome) -> None:
    keys = (None, b"", b"\xff\x00", b"k" * 100_000)
    headers = ((), (("", None),), (("\x00", b"\xff"),) * 1000, (("ce_id", b"x" * 100_000), ("ce_id", None)))

    def odd(number: int, row: dict[str, Any]) -> Odd:
        return Odd(text_of(row), text_of(row), key=keys[number % 4], headers=headers[number // 4 % 4])

    mixed = mix(EMPTY, odd)
    assert harm(fresh(path, mixed.dirty), clean, mixed) == []


ODD_NUMBERS = {
    "NaN": "null", "Infinity": '"bad"', "-Infinity": '"bad"', "1e308": '"bad"', "-1e308": '"bad"', "1e400": '"bad"',
    "1.0000001e300": '"bad"', "true": '"bad"', "false": '"bad"', '"12"': '"bad"', '""': '"bad"', "[1]": '"bad"',
    '{"a": 1}': '"bad"', "9" * 5000: '"bad"', "18446744073709551616": "1e19", "-18446744073709551617": "-1e19",
    "1e300": "1e19", "-0.0": "0", "1e-320": "1e-300", "-1e-320": "-1e-300", "0.1e1": "1", "1E+0": "1.0",
}  # fmt: skip
"""Number → what it counts as: missing, bad, beyond the range, or a number."""


@pytest.mark.parametrize("name", ["amount", "score"])
def test_odd_numbers_count_as_what_they_are(path: Path, name: str) -> None:
    def odd(number: int, row: dict[str, Any]) -> Odd | None:
        if number % 5:
            return None
        spelling, meaning = list(ODD_NUMBERS.items())[number // 5 % len(ODD_NUMBERS)]
        holder = row if name == "score" else row["features"]
        texts = (text_of(replaced(row, holder, name, mark)) for mark in ("#", "#"))
        one, other = (
            text.replace(b'"#"', word.encode()) for text, word in zip(texts, (spelling, meaning), strict=True)
        )
        return Odd(one, other)

    mixed = mix([], odd)
    assert harm(fresh(path, mixed.dirty), fresh(path, mixed.clean), mixed) == []


def replaced(row: dict[str, Any], holder: dict[str, Any], name: str, cell: object) -> dict[str, Any]:
    holder[name] = cell
    return row


def test_ten_thousands_of_categories_are_one_that_was_never_seen(path: Path) -> None:
    """A category a row, some of them a megabyte, or nothing that could be printed; the state holds none of them."""
    ugly = [text for text in UGLY if text != "\ud800"]

    def odd(number: int, row: dict[str, Any]) -> Odd | None:
        if number % 2:
            return None
        features = row["features"]
        name = ugly[number % len(ugly)] if number % 6 == 0 else f"category {number}"
        plain = {**row, "features": {**features, "country": "never seen"}}
        text = {**row, "features": {**features, "country": name}}
        return Odd(json.dumps(text, ensure_ascii=number % 4 == 0).encode()[: 1 << 21], text_of(plain))

    mixed = mix([], odd)
    for number, item in enumerate(mixed.dirty[0]):
        if len(item.value or b"") > 1 << 20:  # the text of a megabyte does not fit beside the rest
            row = json.loads(item.value or b"")
            row["features"]["country"] = row["features"]["country"][:1_000_000]
            mixed.dirty[0][number] = replace(item, value=text_of(row))
    sizes: list[int] = []

    def watch(pipeline: Pipeline) -> None:
        sizes.append(0)
        pipeline.results = lambda _: sizes.__setitem__(-1, max(sizes[-1], stored(pipeline)))

    dirty, plain = fresh(path, mixed.dirty, watch=watch), fresh(path, mixed.clean, watch=watch)
    assert harm(dirty, plain, mixed) == []
    assert sizes[0] == sizes[1] > 0


def stored(pipeline: Pipeline) -> int:
    """Return the bytes of the state, without the counters, whose digits differ."""
    return sum(len(key) + len(found) for key, found in pipeline.assembly.store.scan(b"") if key[:1] != b"S")


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], Callable[[dict[str, Any]], object]]] = {
    "a field is added": (lambda x: {**x, "new": 7}, lambda x: x),
    "a field is removed": (lambda x: {"country": x["country"], "age": x["age"]}, lambda x: {**x, "amount": None}),
    "a field is renamed": (
        lambda x: {"Amount": x["amount"], "country": x["country"], "age": x["age"]}, lambda x: {**x, "amount": None},
    ),
    "a number turns to text": (lambda x: {**x, "amount": str(x["amount"])}, lambda x: {**x, "amount": "bad"}),
    "a number turns to an object": (lambda x: {**x, "age": {"years": 40}}, lambda x: {**x, "age": "bad"}),
    "a text turns to a number": (lambda x: {**x, "country": 49}, lambda x: {**x, "country": "49"}),
    "a text turns to a list": (lambda x: {**x, "country": ["DE"]}, lambda x: {**x, "country": {}}),
    "all features turn to a list": (lambda x: list(x.values()), lambda x: {name: {} for name in x}),
    "all features are gone": (lambda _: None, dict.fromkeys),
}  # fmt: skip


def without_news(outcome: Outcome) -> Outcome:
    """Return the outcome without the findings that a field is new."""
    found = {key: tuple(f for f in found if f.detector != NEW) for key, found in outcome.findings.items()}
    windows = {key: (n, revision, repr(found[key])) for key, (n, revision, _) in outcome.windows.items()}
    return replace(outcome, windows=windows, findings=found)


@pytest.mark.parametrize("change", CHANGES)
def test_a_schema_that_changes_half_way_changes_its_own_columns_only(path: Path, clean: Outcome, change: str) -> None:
    written, meant = CHANGES[change]

    def odd(number: int, row: dict[str, Any]) -> Odd | None:
        if number < ROWS // 2:
            return None
        features = row["features"]
        return Odd(text_of({**row, "features": written(features)}), text_of({**row, "features": meant(features)}))

    mixed = mix([], odd)
    outcome = fresh(path, mixed.dirty)
    assert harm(without_news(outcome), without_news(fresh(path, mixed.clean)), mixed) == []
    news = {f.column for found in outcome.findings.values() for f in found if f.detector == NEW}
    assert news == {"a field is added": {"new"}, "a field is renamed": {"Amount"}}.get(change, set())
    touched = {name for name in ("amount", "age", "country") if columns_of(outcome, name) != columns_of(clean, name)}
    assert touched == {
        "a field is added": set(), "a number turns to an object": {"age"}, "a text turns to a number": {"country"},
        "a text turns to a list": {"country"}, "all features turn to a list": {"amount", "age", "country"},
        "all features are gone": {"amount", "age", "country"},
    }.get(change, {"amount"})  # fmt: skip
    unknown = outcome.counters["m", "unknown_field"]
    assert (unknown > 0) == (change in {"a field is added", "a field is renamed"})


def columns_of(outcome: Outcome, name: str) -> dict[object, tuple[int, ...]]:
    return {key: cells[name] for key, cells in outcome.cells.items()}


def test_columns_without_news_and_windows_without_rows_say_that_they_cannot_say(path: Path) -> None:
    """Nothing but nulls, one value only, a gap of hours, a window of one row."""

    def odd(number: int, row: dict[str, Any]) -> Odd | None:
        row["features"] |= {"amount": None, "age": 40}
        text = text_of({**row, "model_version": "1"})
        return Odd(text, text)

    logs = {
        partition: [
            item for number, item in enumerate(log) if not 200 <= number < 500 or (number == 350 and not partition)
        ]
        for partition, log in mix([], odd).dirty.items()
    }
    outcome = fresh(path, logs)
    seen = set()
    for key, findings in outcome.findings.items():
        rows = outcome.windows[key][0]
        for finding in findings:
            if rows < (50 if key[2] else 200) or (finding.column == "amount" and finding.detector == "psi"):
                assert finding.status == "insufficient", (rows, finding)
                assert finding.statistic != 0
                seen.add(min(rows, 2))
            elif finding.column == "age" and finding.detector == "psi":
                assert finding.status == "drift", "one value, where the reference has many"
    assert seen == {0, 1, 2}


def test_nothing_but_poison_fills_neither_queue_nor_memory(path: Path, clean: Outcome) -> None:
    """The producer breaks while dead letters go nowhere: they are bounded and counted, all else is as ever."""
    bounded = configure(path.parent / "bounded", ("state:", "limits: {max_dead_letters: 100}\nstate:"))
    mixed = mix([])
    broken = Mixed(clean=mixed.clean)
    for partition in mixed.dirty:
        rows = [Odd(text_of(row), text_of(row)) for row in plain_rows(partition)]
        broken.clean[partition] = []
        broken.add(partition, [*rows[:300], *([Poison(b"{", "not_json"), *EMPTY] * 400), *rows[300:]])
    waiting: list[int] = []
    (bounded.parent / "dead.jsonl").mkdir()

    def watch(pipeline: Pipeline) -> None:
        pipeline.fault = lambda point: waiting.append(len(pipeline.outgoing)) if point == "after_write" else None

    outcome = run(bounded, broken.dirty, watch=watch)
    assert max(waiting) == 100
    assert outcome.letters == []
    assert outcome.counters["", "dead_letter_overflow"] == sum(broken.reasons().values()) - 100
    del outcome.counters["", "dead_letter_overflow"]
    outcome.letters = list(broken.letters)
    assert harm(outcome, clean, broken) == []


EXPLODED = (
    """map: {id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}""",
    """explode: "value.rows[*]"
      map: {id: row.prediction_id, time: row.ts, version: row.model_version, features: row.features,
            score: row.score}""",
)
IN_MESSAGES = [(one, (one.reason or "")) for one in (*NO_ROW, *BAD_TIMES)]


def messages() -> Mixed:
    """Return the stream as messages of ten rows, with bad rows among the good ones, and bad messages in between."""
    mixed = Mixed()
    spoilt = iter(IN_MESSAGES * 40)
    for partition in range(2):
        dirty, clean_log = mixed.dirty.setdefault(partition, []), mixed.clean.setdefault(partition, [])
        rows = [text_of(row) for row in plain_rows(partition)]
        for start in range(0, len(rows), 10):
            texts, offset = list(rows[start : start + 10]), len(dirty)
            clean_log.append(item(b", ".join(texts), start))
            last = start + 10 == len(rows)  # where nobody would deny a row from the future any more
            for place in (4, 5) if last or not start else (0, 4, 5, 13):
                poison, reason = next(spoilt)
                texts.insert(place, poison.value or b"")
                mixed.letters.append((f"p:{partition}:{offset}:{place}", reason))
            dirty.append(item(b", ".join(texts), start))
            if start % 70 == 0:
                mixed.letters.append((f"p:{partition}:{offset + 1}", "not_a_row"))
                dirty.append(replace(item(b"", start), value=b'{"rows": 5}'))
    return mixed


def item(rows: bytes, time: int) -> Item:
    return Item(b'{"rows": [' + rows + b"]}", key=b"k", log_time=time)


@pytest.fixture(scope="module")
def exploded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mixed, Outcome]:
    """Return a configuration for messages of many rows, the messages, and a run over those without bad rows."""
    path, mixed = configure(tmp_path_factory.mktemp("exploded"), EXPLODED), messages()
    return path, mixed, fresh(path, mixed.clean)


def test_a_bad_row_leaves_the_others_of_its_message_alone(
    exploded: tuple[Path, Mixed, Outcome], clean: Outcome
) -> None:
    path, mixed, expected = exploded
    assert (expected.windows, expected.cells) == (clean.windows, clean.cells)
    assert harm(fresh(path, mixed.dirty), expected, mixed) == []


def drops_good_rows(chunk: Chunk) -> Chunk:
    """Leave out the good rows of a message that has bad ones."""
    spoilt = {reject.offset for reject in chunk.rejects}
    kept = [
        batch.take(np.array([row for row, at in enumerate(batch.offsets.tolist()) if at not in spoilt], np.int64))
        for batch in chunk.batches
    ]
    return replace(chunk, batches=tuple(batch for batch in kept if len(batch)))


def forgets_a_reject(chunk: Chunk) -> Chunk:
    return replace(chunk, rejects=chunk.rejects[1:])


def names_the_wrong_row(chunk: Chunk) -> Chunk:
    rejects = [replace(one, row=None if one.row is None else max(0, one.row - 1)) for one in chunk.rejects]
    return replace(chunk, rejects=tuple(rejects))


def counts_a_reject_twice(chunk: Chunk) -> Chunk:
    return replace(chunk, rejects=(*chunk.rejects, *chunk.rejects[:1]))


def loses_a_cell(chunk: Chunk) -> Chunk:
    """Read one cell of a chunk with bad rows as missing."""
    for batch in chunk.batches if chunk.rejects else ():
        column = batch.columns["score"]
        assert isinstance(column, np.ndarray)
        column[0] = np.nan
    return chunk


@pytest.mark.parametrize(
    "spoil", [drops_good_rows, forgets_a_reject, names_the_wrong_row, counts_a_reject_twice, loses_a_cell]
)
def test_a_decoder_that_is_broken_is_found_out(
    exploded: tuple[Path, Mixed, Outcome], spoil: Callable[[Chunk], Chunk]
) -> None:
    class Spoilt(Decoder):
        def decode(self, records: Records) -> Chunk:
            return spoil(super().decode(records))

    def broken(decoder: Decoder) -> Decoder:
        decoder.__class__ = Spoilt
        return decoder

    path, mixed, expected = exploded
    assert harm(fresh(path, mixed.dirty, spoil=broken), expected, mixed) != []


@pytest.mark.parametrize(
    ("form", "good_time", "bad_times"),
    [
        (
            "epoch_s",
            lambda t: t / SECOND,
            {BEGIN // 1000: "bad_time", BEGIN: "bad_time", 0: "too_late", -1: "bad_time"},
        ),
        ("epoch_ms", lambda t: t // 1000, {BEGIN // SECOND: "too_late", BEGIN: "bad_time", 1e308: "bad_time"}),
        ("epoch_us", lambda t: t, {BEGIN // SECOND: "too_late", BEGIN // 1000: "too_late", "1793491200": "bad_time"}),
    ],
)
def test_seconds_and_milliseconds_that_are_mixed_up_move_nothing(
    path: Path, clean: Outcome, form: str, good_time: Callable[[int], float], bad_times: dict[object, str]
) -> None:
    config = configure(path.parent / form, ("time_format: rfc3339", f"time_format: {form}"))
    poisons = [bad(good(ts=time), reason) for time, reason in bad_times.items()]
    mixed = mix(poisons)
    for log in mixed.dirty.values():
        for number, one in enumerate(log):
            row = json.loads(one.value or b"")
            if isinstance(row["ts"], str) and row["ts"].startswith("20"):
                moment = datetime.fromisoformat(row["ts"])
                micros = round(moment.replace(microsecond=0).timestamp()) * SECOND + moment.microsecond
                log[number] = replace(one, value=text_of({**row, "ts": good_time(micros)}))
    outcome = fresh(config, mixed.dirty)
    assert harm(outcome, clean, mixed) == []


@pytest.fixture(scope="module")
def ugly(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, bytes]:
    """Return a run over a stream with versions of any kind, and the page that Prometheus reads at its end."""
    config = configure(tmp_path_factory.mktemp("ugly"), ("state:", "limits: {versions: 5}\nstate:"))
    mixed = Mixed()
    for partition in range(2):
        records: list[Odd] = []
        for number, row in enumerate(plain_rows(partition)):
            records.append(Odd(text_of(row), text_of(row)))
            if number > 20 and number % 3 == 0:
                version = UGLY[number // 3 % len(UGLY)][:999_000]
                text = text_of({**row, "prediction_id": f"u{number}", "model_version": version})
                records.append(Odd(text, text))
        mixed.add(partition, records)
    pages: list[bytes] = []

    def watch(pipeline: Pipeline) -> None:
        holder = ViewHolder()
        registry, _ = make_registry(holder, 20_000, ("quality",))
        snapshots = Snapshots("1", "hash")

        def show(point: str) -> None:
            if point == "after_commit":
                holder.swap(snapshots.take(pipeline))
                pages[:] = [generate_latest(registry)]

        pipeline.fault = show

    return fresh(config, mixed.dirty, watch=watch), pages[0]


def test_versions_of_any_kind_stay_within_their_bound(ugly: tuple[Outcome, bytes], clean: Outcome) -> None:
    """Those that were there first are counted as ever; labels are short, and no figure is one that does not exist."""
    outcome, page = ugly
    names = {key[1] for key in outcome.windows}
    assert {"1", "2", "other"} < names
    assert len(names) == 6
    for found, expected in ((outcome.windows, clean.windows), (outcome.cells, clean.cells)):
        # versions share one budget of false alarms, so evidence is held to more when there are more of them
        known = {key: one for key, one in expected.items() if key[3] != "evidence"}
        assert {key: one for key, one in found.items() if key[1] in {"1", "2"} and key[3] != "evidence"} == known
    samples = [one for family in text_string_to_metric_families(page.decode()) for one in family.samples]
    versions = {sample.labels.get("version", "") for sample in samples if sample.name.startswith("driftline_window")}
    assert {"1", "2", "other"} < versions
    assert len(versions) == 6
    assert max(len(label.encode()) for sample in samples for label in sample.labels.values()) <= 128
    assert [sample for sample in samples if sample.value != sample.value] == []


def test_promtool_takes_the_page_with_versions_of_any_kind(ugly: tuple[Outcome, bytes], promtool: str) -> None:
    done = subprocess.run([promtool, "check", "metrics"], input=ugly[1], capture_output=True, check=False)
    ours = [line for line in done.stderr.decode().splitlines() if "driftline" in line]
    assert (done.returncode, ours) == (0, [])
