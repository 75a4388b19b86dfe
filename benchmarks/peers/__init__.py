"""One script a peer, each run in an environment of its own."""

from pathlib import Path

HERE = Path(__file__).parent
