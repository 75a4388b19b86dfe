"""Nothing of the place where this was written stands in the repository."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = {
    "the path of a workplace": r"/wor[k]/|/hom[e]/[a-z]|/User[s]/[A-Za-z]|/roo[t]/",
    "the address of a registry": r"pyp[i]\.org|files\.pythonhoste[d]\.org|repo[1]?\.mave[n]\.|registry\.npmj[s]\.",
    "an index option with an address": r"--(?:extra-)?inde[x]-url\s+\S+|--fin[d]-links\s+\S+",
    "what only its writer understands": r"(?i)\bAI[-]generated\b|\bas an AI[ ]|\bcoding agen[t]\b|\bsub-?agen[t]\b",
    "an unfinished thought": r"\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b",
}
SUFFIXES = {".png", ".gz", ".zst", ".parquet", ".woff2", ".ico", ".p12", ".jks"}


def tracked() -> Iterator[Path]:
    """Yield the text files that git knows; in an unpacked archive, all that would be known."""
    git = shutil.which("git")
    if git is not None and (ROOT / ".git").exists():
        listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        files = [ROOT / name for name in listing.decode().split("\0") if name]
    else:
        hidden = re.compile(r"^\.(?!ci|gitignore)|^__pycache__$|^target$|\.egg-info$")
        parts = (file for file in ROOT.rglob("*") if not any(map(hidden.search, file.relative_to(ROOT).parts)))
        files = list(parts)
    return (file for file in files if file.is_file() and file.suffix not in SUFFIXES)


def found(text: str) -> list[tuple[int, str]]:
    """Return line number and kind of everything foreign in a text."""
    return [
        (text.count("\n", 0, match.start()) + 1, kind)
        for kind, pattern in FOREIGN.items()
        for match in re.finditer(pattern, text)
    ]


def test_nothing_foreign_is_tracked() -> None:
    files = list(tracked())
    assert len(files) > 50
    strange = [
        f"{file.relative_to(ROOT)}:{line}: {kind}"
        for file in files
        for line, kind in found(file.read_text(encoding="utf-8", errors="replace"))
    ]
    assert strange == []


@pytest.mark.parametrize(
    "text",
    ["see /wor" + "k/main/x", "/hom" + "e/joe", "https://pyp" + "i.org/simple", "https://repo1.mave" + "n.org",
     "--inde" + "x-url https://x", "# TOD" + "O later", "https://files.pythonhoste" + "d.org/a"],
)  # fmt: skip
def test_what_is_foreign_is_found(text: str) -> None:
    assert found(f"fine\n{text}\n")[0][0] == 2


@pytest.mark.parametrize("text", ["/var/lib/driftline", "a workload", "homework/", "the index", "XXXL", "TODOS"])
def test_what_is_fine_is_left_alone(text: str) -> None:
    assert found(text) == []
