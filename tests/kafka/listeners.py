"""The broker's listeners: one in the clear, and one for each way in which a connection can be secured or go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.kafka.certificates import Authority, Identity

USER, PASSWORD = "alice", "alice-secret"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
_OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
SCRAM_USERS = tuple(
    f"{mechanism}=[name={USER},password={PASSWORD}]" for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What clients of the secured listeners need."""

    authority: Path
    client: Identity


def secured(directory: Path) -> tuple[dict[str, str], dict[str, str], Secrets]:
    """Return the secured listeners' protocols, their properties, and what clients need.

    ``TLS`` presents a good certificate, ``MUTUAL`` demands one of the client, ``ELSEWHERE`` presents that of another
    host, ``EXPIRED`` an old one, ``STRANGER`` one of an authority nobody knows, ``SASL`` checks passwords and tokens
    over TLS, ``CLEAR`` without it. Whoever shows no name may do everything; others what access lists allow, and where
    there is no list, everything.
    """
    authority = Authority(directory / "authority")
    here = "IP:127.0.0.1,DNS:localhost"
    identities = {
        "TLS": authority.issue("broker", here),
        "ELSEWHERE": authority.issue("elsewhere", "DNS:elsewhere.example"),
        "EXPIRED": authority.issue("expired", here, days=-1),
        "STRANGER": Authority(directory / "stranger").issue("stranger", here),
    }
    identities["MUTUAL"] = identities["SASL"] = identities["TLS"]
    protocols = dict.fromkeys(identities, "SSL") | {"SASL": "SASL_SSL", "CLEAR": "SASL_PLAINTEXT"}
    properties: dict[str, str] = {}
    for name, identity in identities.items():
        prefix = f"listener.name.{name.lower()}"
        properties |= {
            f"{prefix}.ssl.keystore.type": "PEM",
            f"{prefix}.ssl.keystore.location": str(identity.keystore),
            f"{prefix}.ssl.truststore.type": "PEM",
            f"{prefix}.ssl.truststore.location": str(authority.certificate),
        }
    properties["listener.name.mutual.ssl.client.auth"] = "required"
    properties |= {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    }
    properties |= _sasl("sasl") | _sasl("clear")
    return protocols, properties, Secrets(authority.certificate, authority.issue("client", here))


def _sasl(listener: str) -> dict[str, str]:
    prefix = f"listener.name.{listener}"
    return {
        f"{prefix}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        f"{prefix}.plain.sasl.jaas.config": f'{_PLAIN} required user_{USER}="{PASSWORD}";',
        f"{prefix}.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
        f"{prefix}.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
        f"{prefix}.oauthbearer.sasl.jaas.config": f'{_OAUTH} required unsecuredLoginStringClaim_sub="broker";',
    }


def format_properties(properties: Mapping[str, str]) -> str:
    """Return the text of a Java properties file."""
    return "".join(f"{name}={value}\n" for name, value in properties.items())
