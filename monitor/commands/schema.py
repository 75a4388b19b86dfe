"""``driftline schema``: the configuration's JSON Schema."""

from __future__ import annotations

import json
import sys

from monitor.config.schema import json_schema


def schema() -> int:
    """Print the schema to stdout."""
    json.dump(json_schema(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0
