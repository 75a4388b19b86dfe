"""Certificates for the broker's listeners, good ones and bad ones, made by the ``openssl`` command."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and its certificate, as PEM files."""

    key: Path
    certificate: Path

    @property
    def keystore(self) -> Path:
        """Key and certificate in one file, as Kafka wants them."""
        path = self.certificate.with_suffix(".keystore.pem")
        path.write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        return path


class Authority:
    """A certificate authority with a directory of its own."""

    def __init__(self, directory: Path, name: str = "driftline-test") -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate = directory / "ca.pem"
        self._key = directory / "ca.key"
        _openssl(
            "req", "-x509", *_KEY, "-keyout", self._key, "-out", self.certificate, "-subj", f"/CN={name}", "-days", "30"
        )

    def issue(self, name: str, alternative: str, *, days: int = 30) -> Identity:
        """Return a new identity; with negative ``days`` it expired that long ago."""
        key, request, certificate = (self.directory / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
        extensions = self.directory / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative}\n")
        _openssl("req", *_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        signing = ("-CA", self.certificate, "-CAkey", self._key, "-days", str(days), "-extfile", extensions)
        _openssl("x509", "-req", "-in", request, "-out", certificate, *signing)
        return Identity(key, certificate)


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
