"""``driftline explain MODEL.COLUMN``: what its monitors see, what they do not, and where they stand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from monitor.assembly import build_models
from monitor.config.load import folder_of, load
from monitor.config.problem import did_you_mean
from monitor.config.root import Config, LogConfig
from monitor.evidence.explain import explained
from monitor.evidence.keeper import Keeper
from monitor.evidence.matured import Matured
from monitor.evidence.searched import Searched
from monitor.evidence.stream import Source
from monitor.evidence.windows import is_evidence
from monitor.findings import WindowResult
from monitor.history import History
from monitor.join.clock import NEVER
from monitor.logs import configure
from monitor.model import Model
from monitor.outcomes import outcomes_of
from monitor.panes import Reader
from monitor.progress import restore_model
from monitor.store.memory import MemoryStore
from monitor.store.peek import peek
from monitor.store.port import StateUnavailableError
from monitor.store.recovery import LIVE

NOT_FOUND: Final = 1


def explain(config_path: Path, environ: Mapping[str, str], target: str, piece: str | None = None) -> int:
    """Print it, of all rows and slices or of one slice; return 1 when there is no such monitor, else 0."""
    config = load(config_path, environ)
    configure(LogConfig(level="error", format="console"))
    name, column = split(target, [model.name for model in config.models])
    if name is None:
        hint = did_you_mean(target.partition(".")[0], [model.name for model in config.models])
        sys.stderr.write(f"{target}: no such model{'; ' + hint if hint else ''}\n")
        return NOT_FOUND
    models, keeper = opened(config, folder_of(config_path))
    lines = list(_lines(config, keeper, name, column, piece))
    if lines:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return 0
    if piece is not None:
        hint = did_you_mean(piece, sorted(_slices(keeper, name, column)))
        sys.stderr.write(f"{name}.{column} is not judged in slice {piece}{'; ' + hint if hint else ''}\n")
        return NOT_FOUND
    if models[name].reference is None:
        sys.stderr.write(f"{name}: its reference is still being learnt; there is nothing to compare with yet\n")
        return NOT_FOUND
    known = sorted({one.column for watch in keeper.watches[name] for one in watch.source.streams(models[name], "")})
    hint = did_you_mean(column, known)
    sys.stderr.write(f"{name}.{column}: no such monitor{'; ' + hint if hint else ''}\n")
    return NOT_FOUND


def _slices(keeper: Keeper, model: str, column: str) -> set[str]:
    """Return the slices in which a column is judged."""
    copies = [copy for watch in keeper.watches[model] for copy in watch.copies.values()]
    return {one.slice for copy in copies for one in copy.streams if one.slice and column in {one.column, one.name}}


def split(target: str, models: list[str]) -> tuple[str | None, str]:
    """Return model and column of ``MODEL.COLUMN``; names of models may hold dots, the longest that fits is meant.

    >>> split("a.b.age", ["a", "a.b"]), split("x.age", ["a"])
    (('a.b', 'age'), (None, ''))
    """
    found = [name for name in models if target.startswith(f"{name}.")]
    if not found:
        return None, ""
    name = max(found, key=len)
    return name, target[len(name) + 1 :]


def opened(config: Config, base: Path) -> tuple[dict[str, Model], Keeper]:
    """Return models and evidence as the state has them, or as they would begin without one."""
    models = build_models(config, base)

    def sources_of(reader: Reader) -> Callable[[Model], list[Source]]:
        def sources(model: Model) -> list[Source]:
            if not model.config.is_labelled:
                return []
            outcomes = outcomes_of(model, reader, config.state.shards.index)
            found: list[Source] = [Matured(outcomes, lambda: NEVER)]
            searching = outcomes.searching
            return found if searching is None else [*found, Searched(searching, lambda: NEVER)]

        return sources

    def read(reader: Reader) -> Keeper:
        for model in models.values():
            restore_model(model, reader)
        return Keeper.open(config, models, {}, reader, sources_of(reader))

    try:
        keeper = peek(Path(config.state.path) / "store" / LIVE, read)
    except StateUnavailableError:
        keeper = read(MemoryStore())
    for watches in keeper.watches.values():
        for watch in watches:
            watch.versions = watch.versions or {"": 0}
            watch.prepare()
    return models, keeper


def latest_of(config: Config, model: str) -> list[WindowResult]:
    """Return the last evidence windows of a model."""
    path = Path(config.state.path) / "history.sqlite"
    if not path.exists():
        return []
    history = History(path)
    try:
        return [result for result in history.latest(model) if is_evidence(result.window)]
    finally:
        history.close()


def _lines(config: Config, keeper: Keeper, model: str, column: str, piece: str | None) -> Iterator[str]:
    latest = latest_of(config, model)
    for watch in keeper.watches[model]:
        yield from explained(watch, column, latest, piece)
