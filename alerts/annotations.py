"""The names of the annotations that messages for people are made of.

Rules write them, receivers read them. Each is a short phrase of plain text; what is missing is left out.
"""

from __future__ import annotations

from typing import Final

SUMMARY: Final = "summary"
"""One sentence that stands alone, for a phone's lock screen."""
DESCRIPTION: Final = "description"
"""More than one sentence, for who wants to know."""
MOVED: Final = "moved"
"""What moved: ``PSI of amount``, ``accuracy``."""
FROM: Final = "from"
"""Its value before, with unit: ``0.94``."""
TO: Final = "to"
"""Its value now."""
SURE: Final = "sure"
"""How sure: ``n = 12 000, 95 % within 0.88 to 0.90``."""
SINCE: Final = "since"
"""The onset, when it is not the time at which the alert began."""
EFFECT: Final = "effect"
"""The likely effect on the model's performance."""
NEXT_STEP: Final = "next_step"
"""What to do first."""
RUNBOOK_URL: Final = "runbook_url"
DASHBOARD_URL: Final = "dashboard_url"
