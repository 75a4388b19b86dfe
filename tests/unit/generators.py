"""Generators for another process, which imports no more than these."""

from __future__ import annotations

from collections.abc import Iterator


def broken() -> Iterator[int]:
    yield 1
    raise SystemExit(3)


def endless() -> Iterator[int]:
    while True:
        yield 0
