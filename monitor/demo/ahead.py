"""Work of a generator in a process of its own, so that whoever reads it need not wait for it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

T = TypeVar("T")


def ahead(make: Callable[[], Iterable[T]]) -> Generator[T]:
    """Yield what ``make`` yields, made one item ahead by another process, which starts now and goes with the iterator.

    Items and ``make`` itself are pickled.

    Raises
    ------
    RuntimeError
        When the process ends early; what went wrong stands on its standard error.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(make, sender), daemon=True)
    process.start()
    sender.close()
    return _items(process, receiver)


def _items(process: BaseProcess, receiver: Connection) -> Generator[Any]:
    try:
        while item := _next(receiver):
            yield item[0]
    finally:
        receiver.close()
        process.terminate()
        process.join()


def _next(receiver: Connection) -> list[Any]:
    """Return a list of the next item, an empty one at the end."""
    try:
        item: list[Any] = receiver.recv()
    except EOFError:
        raise RuntimeError("the process that makes the stream ended early") from None
    return item


def _work(make: Callable[[], Iterable[T]], sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the reader, who ends this process
    with suppress(BrokenPipeError):
        for item in make():
            sender.send([item])
        sender.send([])
