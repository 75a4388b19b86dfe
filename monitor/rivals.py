"""How the comparison of a challenger with its champion is named in history and to alerts."""

from __future__ import annotations

from typing import Final

WINDOW: Final = "challenger"
"""The window under which history has the comparisons; it holds all rows up to its end."""
SEQUENCE: Final = "confidence_sequence"
"""The one comparison that alerts hear of: it holds however often one looks."""
