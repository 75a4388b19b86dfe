"""The configuration of a run over a person's own file, as they can go on with it."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.config.quoting import key, scalar
from monitor.config.types import format_duration
from monitor.demo.own.mapping import Choice
from monitor.demo.own.timeline import Timeline
from monitor.events import HOUR
from monitor.reference.picture import printable

CONFIG: Final = "driftline.yaml"
REFERENCE: Final = "reference.json"
PREDICTIONS: Final = "predictions.jsonl"
_DETECTORS: Final = """\
    detectors:
      - {kind: psi, on: [features, score, prediction], warn: 0.05, alert: 0.1, alpha: 0.0001}
      - {kind: ks, on: [numeric, score], warn: 0.05, alert: 0.1, alpha: 0.0001}
      - {kind: rate, on: [quality], warn: 0.01, alert: 0.02, alpha: 0.0001}
"""


def model_name(path: Path) -> str:
    """Return a name for the model that is watched, after the file.

    >>> model_name(Path("My loans (2).csv.gz")), model_name(Path("....csv"))
    ('My-loans-2', 'my-model')
    """
    stem = path.name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:50].strip("-_") or "my-model"


def write_config(source: Path, folder: Path, choice: Choice, timeline: Timeline, *, state: Path | None = None) -> str:
    """Return the configuration as YAML.

    Parameters
    ----------
    source
        The person's file.
    folder
        Where the configuration, the reference and the records will stand.
    choice, timeline
        What was decided about them.
    state
        Where the state will live; the default if ``None``.
    """
    head = [
        f"# Made by driftline demo from {printable(source.name)}. To watch the real stream, say topic: in place of",
        "# file: and where each role stands in your records.",
        "version: 1",
        "models:",
        f"  - name: {scalar(model_name(source))}",
        f"    task: {choice.task}",
        "    predictions:",
        f"      file: {scalar(glob.escape(str(folder.resolve() / PREDICTIONS)))}",
        "      time_format: rfc3339",
        f"      map: {{{', '.join(_map(choice))}}}",
        f"    reference: {{source: {REFERENCE}}}",
    ]
    windows = timeline.windows
    short = f"size: {format_duration(windows.size)}, lateness: 1m, min_samples: {windows.min_samples}"
    tail = [f"    skew: {format_duration(max(HOUR, windows.size))}", "    windows:", f"      short: {{{short}}}"]
    if windows.long is not None:
        long = f"size: {format_duration(windows.long)}, slide: {format_duration(windows.size)}, lateness: 1m"
        tail.append(f"      long: {{{long}, min_samples: {2 * windows.min_samples}}}")
    ending = [] if state is None else [f"state: {{path: {scalar(str(state))}, generation_every: 1h}}"]
    return "\n".join([*head, *_features(choice), *tail, _DETECTORS.rstrip("\n"), *ending]) + "\n"


def _map(choice: Choice) -> Iterator[str]:
    yield "id: value.id"
    yield "time: value.ts"
    if choice.version:
        yield "version: value.version"
    for role in choice.roles:
        yield f"{role}: value.{role}"
    if choice.features:
        yield "features: value.features"


def _features(choice: Choice) -> Iterator[str]:
    if choice.features:
        yield "    features:"
    for feature in choice.features:
        kind = "categorical" if feature.kind == "category" else "numeric"
        yield f"      {key(feature.name)}: {{type: {kind}}}"
