"""Reading what is shown to people: YAML files, commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from typer.main import get_command

from monitor.cli import app


def yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def is_command(words: list[str]) -> None:
    """Check that the command line takes these words."""
    command = get_command(app)
    context = command.make_context("driftline", list(words), resilient_parsing=True)
    name, found, rest = command.resolve_command(context, list(words))  # type: ignore[attr-defined]
    found.make_context(name, rest, parent=context)
