"""Where the cells of each column come from, as a short text: counts of one origin never mix with those of another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from monitor.config.model import StreamConfig

FEATURES: Final = "features"
_ROLES: Final = ("score", "prediction", "latency", "error")


def origins_of(stream: StreamConfig) -> dict[str, str]:
    """Return a hash of the mapping behind each role, behind ``features`` or each ``features.NAME``.

    All that decides which cell a row gets enters: the path, which records are the model's, how rows are taken out of
    them, how texts and times are read. The topic does not: a stream that moved is the same stream.

    >>> one = StreamConfig.model_validate({"topic": "p", "map": {"features": "value.x", "score": "value.s"}})
    >>> other = StreamConfig.model_validate({"topic": "q", "map": {"features": "value.x", "score": "value.t"}})
    >>> [role for role, origin in origins_of(one).items() if origins_of(other)[role] != origin]
    ['score']
    """
    mapped = stream.map
    common: list[object] = [
        sorted(stream.where.items()), stream.explode, sorted(mapped.decode.items()), mapped.time, stream.time_format,
    ]  # fmt: skip
    if stream.pair is not None:
        common.append(stream.pair.model_dump(mode="json", exclude={"request": {"topic"}, "response": {"topic"}}))
    paths: dict[str, object] = {role: getattr(mapped, role) for role in _ROLES}
    if isinstance(mapped.features, dict):
        paths |= {f"{FEATURES}.{name}": path for name, path in mapped.features.items()}
    elif mapped.features is not None:
        paths[FEATURES] = [mapped.features, stream.feature_names]
    return {name: _hash([*common, path]) for name, path in paths.items() if path is not None}


def origin_of(origins: Mapping[str, str], column: str) -> str:
    """Return a column's origin out of what ``origins_of`` returned; empty where nothing is mapped to it."""
    role = "score" if column == "flagged" else column
    if role in _ROLES:
        return origins.get(role, "")
    return origins.get(f"{FEATURES}.{column}", origins.get(FEATURES, ""))


def _hash(value: object) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=4).hexdigest()
