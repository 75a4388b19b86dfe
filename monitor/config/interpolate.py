"""``${VAR:-default}`` and ``${file:/run/secrets/x}`` in the scalars of a tree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from monitor.config.problem import INTERPOLATION, Problem, Steps, did_you_mean
from monitor.config.read import shown
from monitor.config.tree import Node, typed

_PART: Final = re.compile(r"\$\$\{|\$\{([^}]*)(\}?)")
_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_FILE: Final = re.compile(r"\$\{file:([^}]*)\}")
_MOST_BYTES: Final = 1 << 20


class FileText(str):  # noqa: SLOT000 - an instance carries its path
    """What a file held, with the file: whoever keeps a secret reads it again when it was rotated."""

    path: Path

    @classmethod
    def of(cls, text: str, path: Path) -> FileText:
        """Return the text of a file."""
        found = cls(text)
        found.path = path
        return found


@dataclass
class _Interpolator:
    environ: Mapping[str, str]
    base: Path
    problems: list[Problem]
    files: dict[str, str | None] = field(default_factory=dict)

    def expand(self, text: str, steps: Steps, node: Node) -> str:
        def replace(found: re.Match[str]) -> str:
            if found[0] == "$${":
                return "${"
            if not found[2]:
                return self.say(steps, node, "${ without its }", "write $${ for a plain ${")
            if found[1].startswith("file:"):
                return self.file(found[1].removeprefix("file:"), steps, node)
            return self.variable(found[1], steps, node)

        return _PART.sub(replace, text)

    def variable(self, inner: str, steps: Steps, node: Node) -> str:
        form = _VARIABLE.fullmatch(inner)
        if form is None:
            return self.say(steps, node, "not a variable", "write ${NAME}, ${NAME:-default}, ${file:PATH} or $${")
        name, default = form[1], form[2]
        value = self.environ.get(name)
        if default is not None:
            return value or default
        if value is None:
            near = did_you_mean(name, sorted(self.environ)) if self.environ else ""
            near = f" ({near})" if near.startswith("did you mean") else ""
            return self.say(
                steps, node, f"the variable {name} is not set{near}", f"set it, or write ${{{name}:-default}}"
            )
        return value

    def file(self, name: str, steps: Steps, node: Node) -> str:
        if name not in self.files:
            self.files[name] = None
            try:
                with (self.base / name).open("rb") as stream:
                    content = stream.read(_MOST_BYTES + 1)
                if len(content) > _MOST_BYTES:
                    self.say(steps, node, f"the file {name} is larger than 1 MiB", "")
                else:
                    self.files[name] = content.decode().rstrip("\r\n")
            except UnicodeDecodeError:
                self.say(steps, node, f"the file {name} is not UTF-8", "")
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
                self.say(steps, node, f"the file {name} cannot be read: {reason}", "")
        return self.files[name] or ""

    def say(self, steps: Steps, node: Node, message: str, hint: str) -> str:
        self.problems.append(Problem.at(node.place, shown(steps), message, hint, INTERPOLATION))
        return ""


def interpolate(tree: Node, environ: Mapping[str, str], base: Path, problems: list[Problem]) -> set[Steps]:
    """Replace every variable and file in the tree's scalars, in place; return the ways of those that failed.

    ``${NAME}`` is the variable, a problem when it is not set; ``${NAME:-default}`` the default when it is not set or
    empty; ``${file:PATH}`` the content of a file without its last line ends, relative to ``base``; ``$${`` a plain
    ``${``. An unquoted scalar gets its type from the text that it becomes. Keys are left as they are. What is a file's
    content and nothing else becomes a ``FileText``.
    """
    work = _Interpolator(environ, base, problems)
    failed: set[Steps] = set()
    for steps, node in tree.scalars():
        if not isinstance(node.value, str) or "${" not in node.value:
            continue
        before = len(problems)
        written = node.value
        text = work.expand(written, steps, node)
        if len(problems) > before:
            failed.add(steps)
        elif (whole := _FILE.fullmatch(written)) is not None:
            text = FileText.of(text, base / whole[1])
        node.text = text
        node.value = typed(text) if node.plain else text
    return failed
