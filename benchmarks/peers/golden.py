"""``python -m benchmarks.peers.golden``: compute again what others say of rows whose figures the tests compare."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.peers import HERE
from benchmarks.peers.environments import python_of

ROOT: Final = HERE.parent.parent
GOLDEN: Final = ROOT / "tests" / "golden" / "calibration-oracles.json"


def main(out: Path = GOLDEN) -> int:
    """Run NannyML, scikit-learn and statsmodels in an environment of their own."""
    subprocess.run([str(python_of("nannyml")), "-m", "benchmarks.peers.golden_nannyml", str(out)], cwd=ROOT, check=True)
    print(f"written to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
