"""``driftline state inspect``: what a state directory holds, beside a running service if need be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from monitor.inspection import Content, GenerationState, Inspection, inspect_state

STATE_ERROR: Final = 74
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def inspect(path: Path, *, as_json: bool) -> int:
    """Print what is there.

    Returns
    -------
    int
        74 when the live state cannot be read, else 0.
    """
    found = inspect_state(path)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in lines(found))
    return STATE_ERROR if found.live is None else 0


def lines(found: Inspection) -> Iterator[str]:
    """Yield the report for people."""
    yield f"state         {found.path}"
    yield f"last opened   {'by nobody yet' if found.last_process is None else f'by process {found.last_process}'}"
    yield f"size on disk  {_size(found.bytes)}"
    if found.live is None:
        yield f"PROBLEM       {found.problem}"
    else:
        yield from _content(found.live)
    yield ""
    yield "generations" if found.generations else "no generation yet"
    for generation in found.generations:
        yield from _generation(generation)
    for kept in found.damaged:
        yield f"put aside as damaged: {kept}"


def _content(live: Content) -> Iterator[str]:
    yield f"schema        {live.schema}"
    yield f"last write    {live.commit}"
    yield from _table("next offsets", [(name, f"{offset}") for name, offset in live.offsets.items()])
    clocks = [
        (
            f"{clock.model}[{clock.partition}]",
            _time(clock.event_time) + (f", {clock.held} rows held" if clock.held else "") + (", idle" * clock.idle),
        )
        for clock in live.clocks
    ]
    yield from _table("event time", clocks)
    yield from _table("counters", [(name, f"{value}") for name, value in live.counters.items()])
    kinds = [(kind.name, f"{kind.keys} keys, {_size(kind.bytes)}") for kind in live.namespaces]
    yield from _table("kept", kinds)
    yield from _table("bookkeeping", [(name, f"{value}") for name, value in live.values.items()])


def _generation(generation: GenerationState) -> Iterator[str]:
    yield f"  {generation.number:06d}  {_time(generation.taken_at)}  {_size(generation.bytes)}, tables shared"
    if generation.problem is not None:
        yield f"          PROBLEM {generation.problem}"
    for name, offset in generation.offsets.items():
        behind = generation.behind.get(name)
        yield f"          {name} reads on at {offset}" + ("" if behind is None else f", {behind} records to repeat")


def _table(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if not rows:
        return
    yield ""
    yield title
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        yield f"  {name:<{width}}  {text}"


def _time(micros: int | None) -> str:
    if micros is None:
        return "never"
    try:
        return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        return f"{micros} µs"


def _size(number: int) -> str:
    value = float(number)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
