"""From YAML text to a tree. What is wrong is collected, nothing is raised, no value is quoted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode
from ruamel.yaml.reader import ReaderError

from monitor.config.problem import DUPLICATE, SYNTAX, WRONG_TYPE, Place, Problem, Steps
from monitor.config.tree import Node, typed

_MOST_NODES: Final = 200_000
_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "timestamp", "value")}
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_COLLECTION_TAGS: Final = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"
_QUOTED: Final = re.compile(r"'[^']{2,}'|\"[^\"]{2,}\"")
_EXPLAINED: Final = (
    ("undefined alias", "an alias without its anchor", "put a text that begins with * in quotes"),
    ("found character '\\t'", "a tab", "indent with spaces"),
    ("cannot start any token", "a character that cannot begin a value here", "put the text in quotes"),
    ("mapping values are not allowed", "a second colon on the line", "put a text that holds ': ' in quotes"),
    ("could not find expected ':'", "a key without its colon", "write key: value, with a space after the colon"),
    ("another document", "a second document", "one file holds one document"),
    ("<stream end>", "the file ends before this is closed", "close the bracket or the brace"),
    ("end of stream", "the file ends before this is closed", "close the quote or the bracket"),
    ("expected <block end>", "does not fit the lines above", "check how far the line is indented"),
    ("duplicate anchor", "a second anchor of one name", "give it another name"),
)


def read_tree(text: str, file: str, problems: list[Problem]) -> Node | None:
    """Return the tree of one file, ``None`` when it cannot be parsed; add what is wrong to ``problems``.

    Keys that are given twice, tags, keys that are no texts and aliases to themselves are problems; the rest of the
    tree is returned all the same, so that everything that is wrong is told at once.
    """
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is not None:
            return _Reader(file, problems).node(root, ())
        problems.append(Problem(file, 1, 1, "", "is empty", "begin with version: 1", SYNTAX))
    except RecursionError:
        problems.append(Problem(file, 1, 1, "", "is nested too deeply", code=SYNTAX))
    except _TooLargeError:
        problems.append(Problem(file, 1, 1, "", f"holds more than {_MOST_NODES} values", code=SYNTAX))
    except YAMLError as error:
        problems.append(_syntax(error, text, file))
    return None


def _syntax(error: YAMLError, text: str, file: str) -> Problem:
    """Tell a syntax error without the line it stands on."""
    if isinstance(error, ReaderError):
        before = text[: int(error.position)]
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        return Problem.at(place, (), "a character that is not printable", code=SYNTAX)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = _place(mark, file) if isinstance(mark, StringMark) else Place(file)
    said = str(error.problem or "") if isinstance(error, MarkedYAMLError) else ""
    for part, message, hint in _EXPLAINED:
        if part in said:
            return Problem.at(place, (), message, hint, SYNTAX)
    return Problem.at(place, (), f"not YAML: {_QUOTED.sub('…', said) or 'cannot be parsed'}", code=SYNTAX)


def _place(mark: Any, file: str) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)


class _TooLargeError(Exception):
    """Aliases of aliases make a small file a large tree."""


@dataclass
class _Reader:
    file: str
    problems: list[Problem]
    made: int = 0
    above: set[int] = field(default_factory=set)
    """The collections that are being read, to tell an alias to itself."""

    def node(self, node: YamlNode, steps: Steps) -> Node:
        self.made += 1
        if self.made > _MOST_NODES:
            raise _TooLargeError
        place = _place(node.start_mark, self.file)
        if id(node) in self.above:
            self._say(node, steps, "an alias to what it stands in", "write it out")
            return Node(place, None)
        if isinstance(node, ScalarNode):
            return self._scalar(node, place, steps)
        if str(node.tag) not in _COLLECTION_TAGS:
            self._say(node, steps, "a tag that is not known", "leave the tag out")
        self.above.add(id(node))
        made = Node(place, {})
        if isinstance(node, MappingNode):
            made.value = self._mapping(node, steps)
        elif isinstance(node, SequenceNode):
            made.value = [self.node(item, (*steps, number)) for number, item in enumerate(node.value)]
        self.above.discard(id(node))
        return made

    def _scalar(self, node: ScalarNode, place: Place, steps: Steps) -> Node:
        text, tag = str(node.value), str(node.tag)
        if node.style is None and (tag in _PLAIN_TAGS or (tag == _TEXT_TAG and isinstance(typed(text), str))):
            return Node(place, typed(text), plain=True)
        if tag not in _PLAIN_TAGS | {_TEXT_TAG}:
            self._say(node, steps, "a tag that is not known", "put a text that begins with ! in quotes")
        return Node(place, text)

    def _mapping(self, node: MappingNode, steps: Steps) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            if str(key.tag) == _MERGE_TAG:
                for name, below in self._merged(value, steps):
                    merged.setdefault(name, below)
            elif not isinstance(key, ScalarNode):
                self._say(key, steps, "a key that is not a text", "put it in quotes if it begins with [ or {")
            else:
                self._pair(own, key, value, steps)
        return {**merged, **own}

    def _pair(self, own: dict[str, Node], key: ScalarNode, value: YamlNode, steps: Steps) -> None:
        name, place = str(key.value), _place(key.start_mark, self.file)
        if name in own:
            first = own[name].key or own[name].place
            message = f"given twice, first in line {first.line}"
            self.problems.append(Problem.at(place, shown((*steps, name)), message, "keep one of them", DUPLICATE))
            return
        below = self.node(value, (*steps, name))
        below.key = place
        own[name] = below

    def _merged(self, value: YamlNode, steps: Steps) -> Iterator[tuple[str, Node]]:
        for source in value.value if isinstance(value, SequenceNode) else [value]:
            if not isinstance(source, MappingNode) or id(source) in self.above:
                self._say(source, steps, "only mappings can be merged", "give << an alias of a mapping")
                continue
            below = self.node(source, steps)
            if isinstance(below.value, dict):
                yield from below.value.items()

    def _say(self, node: YamlNode, steps: Steps, message: str, hint: str) -> None:
        self.problems.append(Problem.at(_place(node.start_mark, self.file), shown(steps), message, hint, WRONG_TYPE))


_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")


def shown(steps: Steps) -> Steps:
    """Return a way that can be printed: cut before the first key that does not look like a name.

    ``{password:hunter2}`` is a key without a value in YAML, and must not be printed.

    >>> shown(("kafka", "password:hunter2")), shown(("models", 0))
    (('kafka',), ('models', 0))
    """
    for place, step in enumerate(steps):
        if isinstance(step, str) and not _NAME.fullmatch(step):
            return steps[:place]
    return steps
