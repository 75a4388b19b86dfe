"""Where the state of concept detectors stands in the store."""

from __future__ import annotations

from typing import Final

CONCEPT: Final = b"D"
"""The hours of a model that are not over, or that history has yet to hear of."""
STREAMS: Final = b"G"
"""What the detectors of one version know."""
WINDOW: Final = "concept"
"""Name of the hours that detectors speak of, among the windows in history."""
