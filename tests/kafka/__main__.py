"""``python -m tests.kafka [PORT]``: a broker that runs until it is interrupted; prints its address when it serves."""

from __future__ import annotations

import signal
import sys
import threading

from tests.kafka.broker import Broker


def main() -> int:
    """Run a broker in the foreground."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    with Broker(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0) as broker:
        print(broker.address, flush=True)
        stopping.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
