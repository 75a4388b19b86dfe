"""Reading the configuration: one file or a folder of them, everything that is wrong told at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from monitor.config.alert_checks import check_alerts, check_tokens
from monitor.config.alerts import AlertsConfig
from monitor.config.checks import (
    Complaint,
    check_alarms,
    check_calendar,
    check_http,
    check_kafka,
    check_state,
    check_together,
)
from monitor.config.complain import complaints, place_of
from monitor.config.interpolate import interpolate
from monitor.config.merge import merge
from monitor.config.model import ModelConfig, Section
from monitor.config.model_checks import check_defaults, check_model
from monitor.config.problem import MISSING_KEY, NOT_FOUND, SYNTAX, UNREADABLE, ConfigError, Problem, Steps
from monitor.config.read import read_tree, shown
from monitor.config.resolve import resolve, resolve_model
from monitor.config.retraining import RetrainingConfig
from monitor.config.retraining_checks import check_reports, check_retraining
from monitor.config.root import (
    AlarmsConfig,
    CalendarConfig,
    Config,
    DefaultsConfig,
    HttpConfig,
    KafkaConfig,
    LimitsConfig,
    ReportConfig,
    StateConfig,
)
from monitor.config.tree import Node

__all__ = ["ConfigError", "Examined", "Problem", "examine", "folder_of", "load"]

_FROM_FILE: Final = {"from_file": True}
_DEPTH: Final = 6
"""A part that lacks what was wrong in it is taken out as well, and so on upwards; sections are not nested deeper."""
_Part = TypeVar("_Part", bound=Section)


@dataclass(slots=True)
class Examined:
    """What was found in a configuration: all that is wrong or doubtful and, without errors, the configuration."""

    config: Config | None
    problems: list[Problem] = field(default_factory=list)
    tree: Node | None = None
    """The files with their places, variables replaced."""

    @property
    def errors(self) -> list[Problem]:
        """What keeps the service from starting."""
        return [problem for problem in self.problems if not problem.is_warning]


def load(path: Path, environ: Mapping[str, str], *, needs_references: bool = True) -> Config:
    """Read, check and complete a configuration.

    Parameters
    ----------
    path : Path
        A YAML file, or a folder whose ``*.yaml`` and ``*.yml`` files make one configuration together.
    environ : Mapping[str, str]
        Where ``${NAME}`` is looked up.
    needs_references : bool
        Whether reference files must exist; whoever builds them can do without.

    Returns
    -------
    Config
        With ``windows``, ``detectors`` and ``reference`` filled in every model.

    Raises
    ------
    ConfigError
        With everything that is wrong. It holds no value of the file, because any of them may be a secret.
    """
    found = examine(path, environ, needs_references=needs_references)
    if found.config is None or found.errors:
        raise ConfigError(found.errors)
    return found.config


def examine(path: Path, environ: Mapping[str, str], *, needs_references: bool = True) -> Examined:
    """Do what ``load`` does, but return problems and warnings instead of raising."""
    problems: list[Problem] = []
    trees = [tree for file in files_of(path, problems) if (tree := _read(file, problems)) is not None]
    tables: list[Node] = []
    for tree in trees:
        if isinstance(tree.value, dict):
            tables.append(tree)
        else:
            problems.append(Problem.at(tree.place, (), "needs a mapping", "begin with version: 1", SYNTAX))
    if not tables:
        return Examined(None, sorted(problems))
    whole = len(problems) == 0
    tree = merge(tables, problems)
    failed = interpolate(tree, environ, folder_of(path), problems)
    wrong, config = _validate(tree)
    found = dict(_heard(wrong, failed, whole=whole))
    checked = _Checks(tree, {*wrong, *failed}, folder_of(path)).run()
    problems = sorted({*problems, *found.values(), *checked})
    if not needs_references:
        problems = [problem for problem in problems if not _lacks_reference(problem)]
    if any(not problem.is_warning for problem in problems):
        return Examined(None, problems, tree)
    return Examined(None if config is None else resolve(config), problems, tree)


def _lacks_reference(problem: Problem) -> bool:
    return problem.code == NOT_FOUND and problem.path.endswith("reference.source")


def folder_of(path: Path) -> Path:
    """Return the folder at which relative paths in the configuration start."""
    return path if path.is_dir() else path.parent


def files_of(path: Path, problems: list[Problem]) -> list[Path]:
    """Return the files of a configuration, those of a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    files = sorted(file for pattern in ("*.yaml", "*.yml") for file in path.glob(pattern) if file.is_file())
    if not files:
        problems.append(Problem(str(path), 1, 1, "", "holds no *.yaml file", code=UNREADABLE))
    return files


def _read(file: Path, problems: list[Problem]) -> Node | None:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        problems.append(Problem(str(file), line, 1, "", "is not UTF-8", code=UNREADABLE))
    except OSError as error:
        problems.append(Problem(str(file), 1, 1, "", f"cannot be read: {error.strerror}", code=UNREADABLE))
    else:
        return read_tree(text, str(file), problems)
    return None


def _validate(tree: Node) -> tuple[dict[Steps, Problem], Config | None]:
    """Validate; where a text is wanted and ``${X}`` became a number, try again with what was written."""
    texts: set[Steps] = set()
    while True:
        try:
            return {}, Config.model_validate(tree.data, context=_FROM_FILE)
        except ValidationError as error:
            wrong = complaints(error, Config, tree)
            again = {steps for steps in wrong if _as_text(tree.find(steps))} - texts
            if not again:
                return wrong, None
            texts |= again


def _as_text(node: Node | None) -> bool:
    """Undo the typing of an interpolated scalar; return whether there was something to undo."""
    if node is None or node.text is None or node.value is None or isinstance(node.value, str):
        return False
    node.value = node.text
    return True


def _heard(wrong: Mapping[Steps, Problem], failed: Iterable[Steps], *, whole: bool) -> Iterator[tuple[Steps, Problem]]:
    """Leave out what only follows from another problem: a variable that is not set, a file that cannot be read."""
    silent = set(failed)
    for steps, problem in wrong.items():
        lacking = problem.code == MISSING_KEY and len(steps) == 1 and not whole
        if steps not in silent and not lacking:
            yield steps, problem


@dataclass
class _Checks:
    """The checks across fields, on whatever sections are sound."""

    tree: Node
    wrong: set[Steps]
    base: Path

    def run(self) -> list[Problem]:
        """Return everything that the checks find, at its place."""
        found: list[Problem] = []
        for steps, complaint in self.complaints():
            way = steps + complaint.steps
            if way in self.wrong or any(self.touched(steps + needed) for needed in complaint.needs):
                continue
            found.append(
                Problem.at(place_of(way, self.tree), shown(way), complaint.message, complaint.hint, complaint.code)
            )
        return found

    def complaints(self) -> Iterator[tuple[Steps, Complaint]]:
        """Yield complaints with the way to the section that was checked."""
        kafka = self.sound(KafkaConfig, "kafka")
        limits, defaults = self.sound(LimitsConfig, "limits"), self.sound(DefaultsConfig, "defaults")
        yield from _at("kafka", check_kafka(kafka, self.base))
        yield from _at("state", check_state(self.sound(StateConfig, "state")))
        calendar = self.sound(CalendarConfig, "calendar")
        yield from _at("calendar", check_calendar(calendar))
        yield from _at("alarms", check_alarms(self.sound(AlarmsConfig, "alarms")))
        http = self.sound(HttpConfig, "http")
        yield from _at("http", check_http(http))
        yield from _at("defaults", check_defaults(defaults, self.base))
        models = self.models()
        for place, model in models.items():
            complete = resolve_model(model, defaults)
            found = check_model(model, complete, limits.max_features_per_model, self.base)
            yield from ((("models", place), complaint) for complaint in found)
        yield from (((), complaint) for complaint in check_together(models, kafka))
        yield from _at("alerts", check_alerts(self.sound(AlertsConfig, "alerts"), models, self.base))
        yield from _at("http", check_tokens(http.tokens, models))
        yield from check_retraining(self.sound(RetrainingConfig, "retraining"), models, calendar, self.base)
        yield from check_reports(self.parts(ReportConfig, "reports"), calendar)

    def sound(self, kind: type[_Part], name: str) -> _Part:
        """Return a section of the root without those of its parts that are wrong."""
        return self.part(kind, (name,)) or kind()

    def parts(self, kind: type[_Part], name: str) -> dict[int, _Part]:
        """Return the items of a list of sections of which enough is sound."""
        found = self.tree.find((name,))
        items = found.value if found is not None and isinstance(found.value, list) else []
        made = {place: self.part(kind, (name, place)) for place, _ in enumerate(items)}
        return {place: part for place, part in made.items() if part is not None}

    def models(self) -> dict[int, ModelConfig]:
        """Return the models of which enough is sound; one without a usable name gets one of its own."""
        found = self.tree.find(("models",))
        items = found.value if found is not None and isinstance(found.value, list) else []
        parts = {
            place: self.part(ModelConfig, ("models", place), name=f"unnamed-{place}") for place, _ in enumerate(items)
        }
        return {place: model for place, model in parts.items() if model is not None}

    def part(self, kind: type[_Part], steps: Steps, **filled: str) -> _Part | None:
        """Return a section without what is wrong in it, ``None`` when nothing can be made of it."""
        node = self.tree.find(steps)
        if node is None or not isinstance(node.value, dict):
            return None
        data = node.data
        for way in self.wrong:
            if way[: len(steps)] == steps:
                _prune(data, way[len(steps) :])
        data = {**filled, **data}
        for _ in range(_DEPTH):
            try:
                return kind.model_validate(data, context=_FROM_FILE)
            except ValidationError as error:
                for detail in error.errors(include_url=False, include_input=False):
                    _prune(data, detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"])
        return None

    def touched(self, way: Steps) -> bool:
        """Whether something at, below or above this way is wrong already."""
        return any(other[: len(way)] == way or way[: len(other)] == other for other in self.wrong)


def _at(name: str, found: Iterable[Complaint]) -> Iterator[tuple[Steps, Complaint]]:
    return (((name,), complaint) for complaint in found)


def _prune(data: Any, way: Steps) -> None:
    """Remove what stands at the end of the way; an item of a list goes with the whole list."""
    kept, name = None, None
    for step in way:
        if isinstance(data, dict) and step in data:
            kept, name, data = data, step, data[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            break
    if kept is not None:
        del kept[name]
