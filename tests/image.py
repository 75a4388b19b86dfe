"""``python -m tests.image``: the image's steps, executed in a bare folder, where there is no container engine.

Reads ``deploy/docker/Dockerfile``, does what its ``build`` stage says with every path put under a new folder, and runs
the health check's imports and the default command against a configuration. Takes some minutes; not part of the tests.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DOCKERFILE: Final = ROOT / "deploy/docker/Dockerfile"
CONFIG: Final = """\
version: 1
models:
  - name: m
    predictions: {file: none.jsonl, map: {id: value.id, time: value.ts, features: value.f}}
"""


def instructions(text: str) -> Iterator[tuple[str, str, str]]:
    r"""Yield (stage, word, rest) of every instruction; continued lines are joined.

    >>> list(instructions("FROM x AS a\nRUN b \\\n c"))
    [('a', 'FROM', 'x AS a'), ('a', 'RUN', 'b   c')]
    """
    stage = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        if word == "FROM":
            stage = rest.rpartition(" AS ")[2]
        yield stage, word, rest.strip()


def execute(folder: Path) -> None:
    """Do what the stage ``build`` does, below a folder."""
    place = folder / "src"
    place.mkdir()
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    for stage, word, rest in instructions(DOCKERFILE.read_text(encoding="utf-8")):
        if stage != "build":
            continue
        if word == "ENV":
            environ |= dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "COPY":
            *names, to = rest.split()
            for name in names:
                _copy(ROOT / name, place / (Path(to).name if not to.endswith("/") else name))
        elif word == "RUN":
            command = rest.replace("/opt/driftline", str(folder / "opt")).replace(
                "python -m venv", f"{_PYTHON} -m venv"
            )
            sys.stdout.write(f"$ {command}\n")
            sys.stdout.flush()
            subprocess.run(["sh", "-c", command], cwd=place, env=environ, check=True)


_PYTHON: Final = shlex.quote(sys.base_prefix + "/bin/python3")


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, to)


def try_out(folder: Path) -> None:
    """Run what is installed, where nothing but the state's folder may be written."""
    work = folder / "work"
    work.mkdir()
    (work / "driftline.yaml").write_text(CONFIG, encoding="utf-8")
    environ = {"PATH": f"{folder / 'opt/bin'}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    for command in (["driftline", "--help"], ["driftline", "validate", "--no-environment", "-c", "driftline.yaml"],
                    ["driftline", "dashboards", "render", "--out", "grafana"]):  # fmt: skip
        done = subprocess.run(command, cwd=work, env=environ, capture_output=True, text=True, check=True)
        sys.stdout.write(f"$ {' '.join(command)}: {len(done.stdout)} characters\n")
    listing: list[str | Path] = [folder / "opt/bin/python", "-m", "pip", "list", "--format", "freeze"]
    packages = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    size = sum(file.stat().st_size for file in (folder / "opt").rglob("*") if file.is_file() and not file.is_symlink())
    sys.stdout.write(f"{len(packages)} packages, {size >> 20} MiB\n")
    foreign = [name for name in packages if re.match(r"urllib3|grafana|pytest|requests", name)]
    if foreign:
        sys.exit(f"these have no business in the service's image: {foreign}")


def main() -> None:
    """Execute the steps, then try what came out."""
    with tempfile.TemporaryDirectory(prefix="driftline-image-") as directory:
        execute(Path(directory))
        try_out(Path(directory))


if __name__ == "__main__":
    main()
