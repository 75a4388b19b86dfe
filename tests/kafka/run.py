"""``python -m tests.kafka.run COMMAND …``: run a command beside a real broker; the word BROKER becomes its address."""

from __future__ import annotations

import subprocess
import sys

from tests.kafka.broker import Broker


def main(command: list[str]) -> int:
    """Start a broker, run the command, stop the broker; return the command's status."""
    sys.stdout.write("starting a broker …\n")
    sys.stdout.flush()
    with Broker() as broker:
        words = [broker.address if word == "BROKER" else word for word in command]
        return subprocess.run(words, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
