"""Apache Kafka's jars, fetched once by Maven and kept under ``tests/kafka/target``."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
_JARS = _HERE / "target" / "jars"


class MissingToolError(Exception):
    """Something that the broker needs is not installed; the message names the command that installs it."""


def ensure_jars() -> Path:
    """Return the directory of the jars, fetching them first when they are not there or the versions changed."""
    needed = {"java": "openjdk-17-jre-headless", "openssl": "openssl"}
    for tool, package in needed.items():
        if shutil.which(tool) is None:
            raise MissingToolError(f"{tool} is missing: apt-get install {package}")
    pom = _HERE / "pom.xml"
    stamp = _JARS / ".pom.xml"
    _JARS.mkdir(parents=True, exist_ok=True)
    with (_JARS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_bytes() == pom.read_bytes():
            return _JARS
        if shutil.which("mvn") is None:
            raise MissingToolError("mvn is missing: apt-get install maven")
        for jar in _JARS.glob("*.jar"):
            jar.unlink()
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={_JARS}"]
        done = subprocess.run(command, capture_output=True, timeout=600, check=False)
        if done.returncode:
            raise MissingToolError(f"{' '.join(command)} failed:\n{done.stdout.decode(errors='replace')[-2000:]}")
        stamp.write_bytes(pom.read_bytes())
    return _JARS
