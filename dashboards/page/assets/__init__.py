"""Style sheet, scripts and icon of the page; uPlot (MIT) beside its licence."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
NAMES: Final = ("page.css", "page.js", "uplot.css", "uplot.js", "icon.svg")


@cache
def read(name: str) -> bytes:
    """Return one of ``NAMES``."""
    return files(__name__).joinpath(name).read_bytes()


@cache
def address(name: str) -> str:
    """Return where the page finds it; another content has another address, so browsers may keep it for good."""
    stem, kind = name.rsplit(".", 1)
    return f"/static/{stem}.{hashlib.blake2b(read(name), digest_size=6).hexdigest()}.{kind}"


@cache
def by_address() -> dict[str, tuple[str, bytes]]:
    """Return address → content type and content."""
    return {address(name): (_TYPES[name.rsplit(".", 1)[1]], read(name)) for name in NAMES}
