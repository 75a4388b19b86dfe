"""Where a run of the demo keeps its files, and what of them stays when it is over."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from monitor.alerting.opening import FILE

_PREFIX: Final = "driftline-demo-"
_OVER: Final = "over"


class DemoFolder:
    """A folder of its own for each run.

    When the run is over, the alerts and proposals stay where a decision is still asked for, a few hundred kilobytes,
    until the next run begins. All else goes.
    """

    def __init__(self, within: Path | None = None) -> None:
        self._within = within or Path(tempfile.gettempdir())
        self.path = self._within
        self.keeps = False
        """Whether a decision is still asked for."""

    @property
    def state(self) -> Path:
        """The service's state."""
        return self.path / "state"

    def __enter__(self) -> Self:
        for mark in self._within.glob(f"{_PREFIX}*/{_OVER}"):
            shutil.rmtree(mark.parent, ignore_errors=True)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._within))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None or not self.keeps:
            shutil.rmtree(self.path)
            return
        (self.path / _OVER).touch()
        for place in (self.path, self.state):
            for found in place.iterdir():
                if found.is_dir() and found != self.state:
                    shutil.rmtree(found)
                elif found.is_file() and not found.name.startswith((FILE, _OVER)):
                    found.unlink()
