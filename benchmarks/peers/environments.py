"""An environment a peer, since no two of them agree on their dependencies."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.peers import HERE

_ENVIRONMENTS: Final = HERE.parent / ".envs"


class UvMissingError(Exception):
    """``uv`` makes the environments and is not installed."""


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment, made now unless it already holds what ``<peer>.txt`` lists.

    Raises
    ------
    UvMissingError
        When uv is neither beside this interpreter nor on the path.
    """
    requirements = HERE / f"{peer}.txt"
    folder = _ENVIRONMENTS / peer
    python = folder / "bin" / "python"
    installed = folder / "installed.txt"
    if not (installed.exists() and installed.read_text() == requirements.read_text()):
        uv = _uv()
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "sync", "--quiet", "--python", str(python), str(requirements)], check=True)
        installed.write_text(requirements.read_text())
    return python


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        message = "uv is missing; run `make .venv/bin/uv`, or install it with `pip install uv`"
        raise UvMissingError(message)
    return found
