"""A challenger beside its champion: pairs of both models that share an id, compared hour by hour.

Either model has a join of its own. When a label completes a pair there, its id's hash, whether it was right and its
loss come here and wait for the other model's. Both lie no further apart than a day, by the moments at which they were
complete. Hours are those of the later moment; an hour is compared once the watermarks of both joins have passed it, so
the order in which inputs are read makes no difference. Labels count as they first stood.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from detectors.paired import rights
from detectors.paired.always_valid import ConfidenceSequence, State
from detectors.paired.losses import Paired, PairedLosses
from monitor.concept.watched import PayloadReader, watched
from monitor.config.model import ModelConfig
from monitor.events import DAY, HOUR, FloatArray, IntArray
from monitor.findings import Finding, WindowResult
from monitor.join.output import Joined
from monitor.keys import compose, parse, prefix
from monitor.rivals import SEQUENCE, WINDOW
from monitor.store.port import StateReader
from monitor.views import ChallengerView

DUELS: Final = b"x"
WITHIN: Final = DAY
CHANGED: Final = "changed"
CHAMPION, CHALLENGER = range(2)
_CELLS: Final = 4 + 8
_FORMAT: Final = 1
_MOST_VERSIONS: Final = 16
_NEVER: Final = -(1 << 62)
_SHIFT: Final = 1 << 63
Versions = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Shot:
    """What one model said of one id, once its label was there."""

    side: int
    moment: int
    version: str
    wrong: float
    """1 or 0; NaN where that does not exist."""
    loss: float


@dataclass(slots=True)
class _Score:
    """All that was compared of two versions."""

    total: IntArray = field(default_factory=lambda: np.zeros(_CELLS, np.int64))
    """Rows by who is right, then differences of losses."""
    sequence: State = field(default_factory=State)
    hour: int = _NEVER


@dataclass(slots=True)
class Duel:
    """The comparison of one challenger with its champion; fed by the joins of both.

    Parameters
    ----------
    model, champion
        Names of the two.
    bound
        Differences of losses beyond it are cut to it.
    """

    model: str
    champion: str
    bound: float
    number: int = 0
    enough: int = 100
    scores: dict[Versions, _Score] = field(default_factory=dict)
    unmatched: int = 0
    """Pairs that the other model did not have."""
    _hours: dict[tuple[int, Versions], IntArray] = field(default_factory=dict)
    _waiting: dict[int, _Shot] = field(default_factory=dict)
    _stored: set[int] = field(default_factory=set)
    _gone: set[int] = field(default_factory=set)
    _results: list[WindowResult] = field(default_factory=list)
    _closed: int = _NEVER
    _oldest: int = 1 << 62
    _changed: bool = False
    _dropped: list[bytes] = field(default_factory=list)

    @classmethod
    def load(cls, store: StateReader, number: int, config: ModelConfig) -> tuple[Duel, list[str]]:
        """Return the comparison as it was last written, and in sentences what the configuration changed.

        Raises
        ------
        ValueError
            When the model challenges no other.
        """
        settings = config.challenger_of
        if settings is None:
            raise ValueError(f"{config.name} challenges no other model")
        duel = cls(config.name, settings.model, settings.bound_of(config), number, config.performance.min_labels)
        data = store.get(duel._key())
        if data is None:
            return duel, []
        state: dict[str, Any] = msgspec.msgpack.decode(data)
        if state["identity"] != duel.identity:
            duel._dropped = [key for key, _ in store.scan(prefix(DUELS, number, config.name))]
            return duel, [f"compares with {settings.model} anew, since the settings of the comparison changed"]
        duel._restore(state)
        for key, stored in store.scan(prefix(DUELS, number, config.name, "w")):
            name = int(parse(key)[4]) + _SHIFT
            duel._waiting[name] = shot = _Shot(*msgspec.msgpack.decode(stored))
            duel._stored.add(name)
            duel._oldest = min(duel._oldest, shot.moment)
        return duel, []

    @property
    def identity(self) -> list[Any]:
        """What decides whether counts may go on."""
        return [_FORMAT, self.champion, self.bound]

    def take(self, side: int, task: str, pairs: Joined, carried: PayloadReader) -> None:
        """Feed completed pairs of one model.

        Parameters
        ----------
        side
            ``CHAMPION`` or ``CHALLENGER``.
        task
            That of both models.
        carried
            Reads what this model's predictions carry.
        """
        if not len(pairs):
            return
        self._changed = True
        wrong = _errors(task, carried, pairs)
        losses = losses_of(task, carried, pairs, wrong)
        codes, names = carried.versions(pairs.payloads).tolist(), carried.version_names
        met: list[tuple[_Shot, _Shot]] = []
        for row, (key, moment) in enumerate(zip(pairs.hashes.tolist(), pairs.completions.tolist(), strict=True)):
            shot = _Shot(side, moment, names[codes[row]], float(wrong[row]), float(losses[row]))
            other = self._waiting.get(key)
            if other is None or other.side == side or abs(other.moment - moment) > WITHIN:
                self.unmatched += other is not None
                self._waiting[key] = shot
                self._stored.discard(key)
                self._oldest = min(self._oldest, moment)
                continue
            del self._waiting[key]
            if key in self._stored:
                self._stored.remove(key)
                self._gone.add(key)
            met.append((shot, other) if side == CHAMPION else (other, shot))
        self._count(met)

    def close(self, watermark: int) -> None:
        """Compare the hours that both joins have passed; ``watermark`` is that of the one behind."""
        limit = watermark // HOUR * HOUR
        if limit <= self._closed:
            return
        self._closed, self._changed = limit, True
        due = sorted(one for one in self._hours if one[0] < limit)
        losses = PairedLosses(self.bound)
        sequence = ConfidenceSequence(losses)
        for start, versions in due:
            table = self._hours.pop((start, versions))
            score = self.scores.setdefault(versions, _Score())
            score.total = score.total + table
            score.sequence = sequence.step(score.sequence, table[4:])
            score.hour = start
            self._results.append(self._result(start, versions, score))
        while len(self.scores) > _MOST_VERSIONS:
            del self.scores[min(self.scores, key=lambda one: (self.scores[one].hour, one))]
        self._expire(limit - WITHIN)

    def results(self) -> list[WindowResult]:
        """Return what history has yet to hear of."""
        return list(self._results)

    def delivered(self) -> None:
        """Note that history has it; it leaves the state with the next write."""
        self._changed = self._changed or bool(self._results)
        self._results.clear()

    def views(self) -> tuple[ChallengerView, ...]:
        """Return what may be shown."""
        found = []
        for versions, score in sorted(self.scores.items()):
            mcnemar, paired, sequence = self._compared(score)
            low, high = sequence.interval(score.sequence)
            found.append(
                ChallengerView(
                    champion=self.champion,
                    versions=versions,
                    rows=paired.n,
                    unmatched=self.unmatched,
                    accuracy=float(mcnemar.difference),
                    accuracy_low=float(mcnemar.low),
                    accuracy_high=float(mcnemar.high),
                    loss=paired.mean,
                    loss_low=low,
                    loss_high=high,
                    p_value=sequence.p_value(score.sequence),
                    accuracy_p_value=float(mcnemar.mid_p),
                    t_p_value=paired.p_value,
                    sign_p_value=paired.sign_p,
                    verdict=verdict_of(low, high) if paired.n >= self.enough else "insufficient",
                    end=None if score.hour == _NEVER else score.hour + HOUR,
                )
            )
        return tuple(found)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {
            self._key(name): msgspec.msgpack.encode(_plain(shot))
            for name, shot in self._waiting.items()
            if name not in self._stored
        }
        if self._changed or self._dropped:
            puts[self._key()] = msgspec.msgpack.encode(self._state())
        deletes = [*self._dropped, *(self._key(name) for name in self._gone - self._waiting.keys())]
        return puts, [key for key in deletes if key not in puts]

    def written(self) -> None:
        """Note that the changes are in the store."""
        self._stored = set(self._waiting)
        self._gone.clear()
        self._dropped = []
        self._changed = False

    def _count(self, met: list[tuple[_Shot, _Shot]]) -> None:
        groups: dict[tuple[int, Versions], list[tuple[_Shot, _Shot]]] = {}
        for first, second in met:
            hour = max(first.moment, second.moment) // HOUR * HOUR
            groups.setdefault((hour, (first.version, second.version)), []).append((first, second))
        losses = PairedLosses(self.bound)
        for key, rows in groups.items():
            wrong = np.array([[one.wrong, other.wrong] for one, other in rows])
            known = wrong[np.isfinite(wrong).all(axis=1)]
            loss = np.array([[one.loss, other.loss] for one, other in rows])
            table = np.concatenate(
                [rights.tally(known[:, 0] == 0, known[:, 1] == 0), losses.tally(loss[:, 0], loss[:, 1])]
            )
            self._hours[key] = self._hours.get(key, np.zeros(_CELLS, np.int64)) + table

    def _expire(self, limit: int) -> None:
        """Let go of pairs whose counterpart can no longer come."""
        if self._oldest >= limit:
            return
        for name in [name for name, shot in self._waiting.items() if shot.moment < limit]:
            del self._waiting[name]
            self.unmatched += 1
            if name in self._stored:
                self._stored.remove(name)
                self._gone.add(name)
        self._oldest = min((shot.moment for shot in self._waiting.values()), default=1 << 62)

    def _compared(self, score: _Score) -> tuple[rights.McNemar, Paired, ConfidenceSequence]:
        losses = PairedLosses(self.bound)
        return rights.mcnemar(score.total[:4]), losses.compare(score.total[4:]), ConfidenceSequence(losses)

    def _result(self, start: int, versions: Versions, score: _Score) -> WindowResult:
        """Return what history is told of all rows up to the end of an hour."""
        mcnemar, paired, sequence = self._compared(score)
        low, high = sequence.interval(score.sequence)
        nan = float("nan")
        told = [
            ("error", "mcnemar", -float(mcnemar.difference), -float(mcnemar.high), -float(mcnemar.low),
             float(mcnemar.mid_p), int(score.total[:4].sum())),
            ("loss", "paired_t", paired.mean, paired.low, paired.high, paired.p_value, paired.n),
            ("loss", "sign_test", paired.mean, nan, nan, paired.sign_p, paired.n),
            ("loss", SEQUENCE, paired.mean, low, high, sequence.p_value(score.sequence), paired.n),
        ]  # fmt: skip
        findings = tuple(self._finding(*one) for one in told)
        end = start + HOUR
        against = f"champion={versions[0]}" if versions[0] else "champion"
        return WindowResult(self.model, versions[1], against, WINDOW, start, end, 0, paired.n, findings)

    def _finding(
        self, column: str, detector: str, value: float, low: float, high: float, p_value: float, rows: int
    ) -> Finding:
        """Return one comparison: the challenger less the champion, below 0 where it is better."""
        verdict = verdict_of(low, high)
        enough = rows >= self.enough and bool(np.isfinite(value)) and verdict != CHANGED
        text = f"{column} {value:+.4g} [{low:.4g}, {high:.4g}] against {self.champion} over {rows} ids"
        if verdict == CHANGED:
            text += ": it has changed on the way"
        elif verdict and enough:
            text += f": surely {verdict}"
        status = "warn" if verdict == "worse" and detector == SEQUENCE else "ok"
        return Finding(
            column, detector, value, value, low, high, p_value, float("nan"), status if enough else "insufficient",
            int(np.sign(value)) if enough else 0, text,
        )  # fmt: skip

    def _key(self, name: int | None = None) -> bytes:
        return compose(DUELS, self.number, self.model, *(("s",) if name is None else ("w", name - _SHIFT)))

    def _state(self) -> dict[str, Any]:
        scores = [
            [*versions, score.total.tolist(), list(_plain(score.sequence)), score.hour]
            for versions, score in sorted(self.scores.items())
        ]
        hours = [[start, *versions, table.tolist()] for (start, versions), table in sorted(self._hours.items())]
        results = [msgspec.to_builtins(result) for result in self._results]
        return {
            "identity": self.identity, "scores": scores, "hours": hours, "results": results, "closed": self._closed,
            "unmatched": self.unmatched,
        }  # fmt: skip

    def _restore(self, state: Mapping[str, Any]) -> None:
        for first, second, total, sequence, hour in state["scores"]:
            self.scores[first, second] = _Score(np.array(total, np.int64), State(*sequence), hour)
        for start, first, second, table in state["hours"]:
            self._hours[start, (first, second)] = np.array(table, np.int64)
        self._results = [_result_of(plain) for plain in state["results"]]
        self._closed, self.unmatched = state["closed"], state["unmatched"]


def verdict_of(low: float, high: float) -> str:
    """Return what an interval of the challenger's loss less the champion's makes sure; see ``ChallengerView``.

    >>> verdict_of(-0.3, -0.1), verdict_of(-0.1, 0.2), verdict_of(0.2, 0.1)
    ('better', '', 'changed')
    """
    if low > high:
        return CHANGED
    return "better" if high < 0 else "worse" if low > 0 else ""


def losses_of(task: str, carried: PayloadReader, pairs: Joined, wrong: FloatArray) -> FloatArray:
    """Return the loss of each pair: squared error of the probability, absolute error, or 0 and 1 without scores."""
    if task == "regression":
        return watched("loss", task, carried, pairs.payloads, pairs.labels)
    if task == "multiclass":
        scores = carried.scores_of(pairs.payloads, pairs.labels)
        squares = (1 - scores) ** 2
    else:
        scores = carried.scores(pairs.payloads)
        squares = np.where((scores >= 0) & (scores <= 1), (scores - pairs.labels) ** 2, np.nan)
    return squares if np.isfinite(scores).any() else wrong


def _errors(task: str, carried: PayloadReader, pairs: Joined) -> FloatArray:
    if task == "regression":
        return np.full(len(pairs), np.nan)
    return watched("error", task, carried, pairs.payloads, pairs.labels)


def _plain(row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in row.__slots__)


def _result_of(plain: Mapping[str, Any]) -> WindowResult:
    findings = tuple(Finding(**one) for one in plain["findings"])
    return WindowResult(**{**plain, "findings": findings})
