"""What every start of the service imports."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("sklearn", "pandas", "river", "matplotlib", "confluent_kafka", "pyarrow", "apprise", "grafana_client")


def test_a_start_imports_no_more_than_it_needs() -> None:
    code = f"import sys, monitor.commands.run; print([name for name in {HEAVY!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
