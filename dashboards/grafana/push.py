"""Bring the committed dashboards into a Grafana, or say what it has that differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from dashboards.grafana.committed import committed
from dashboards.grafana.connection import Connection

FOLDER_UID: Final = "driftline"
_MISSING: Final = 404
_EXISTS: Final = (409, 412)


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Yield where theirs is not ours, as ``path: theirs → ours``.

    What Grafana adds of its own (ids, versions, defaults) is no difference; what it misses or says otherwise is.

    >>> list(differences({"a": [1, 2]}, {"a": [1, 3], "id": 7}))
    ['a[1]: 3 → 2']
    """
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            below = f"{path}.{key}" if path else key
            if key in theirs:
                yield from differences(value, theirs[key], below)
            elif value not in (None, [], {}, "", False):
                yield f"{below}: missing"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(one, other, f"{path}[{place}]")
    elif isinstance(ours, list) and isinstance(theirs, list):
        yield f"{path}: {len(theirs)} → {len(ours)} of them"
    elif ours != theirs:
        yield f"{path}: {_short(theirs)} → {_short(ours)}"


def diff(to: Connection) -> dict[str, list[str]]:
    """Return name → differences of every dashboard; one that is not there has the one difference ``missing``."""
    found = {}
    for name, ours in committed().items():
        theirs = _get(to, ours["uid"])
        found[name] = ["missing"] if theirs is None else list(differences(ours, theirs))
    return found


def push(to: Connection, folder: str = "Driftline", message: str = "driftline dashboards push") -> dict[str, str]:
    """Bring every dashboard that differs into a folder, which is made if need be.

    Returns
    -------
    dict
        Name → ``created``, ``updated`` or ``unchanged``.
    """
    _ensure_folder(to, folder)
    done = {}
    for name, ours in committed().items():
        theirs = _get(to, ours["uid"])
        if theirs is not None and not any(differences(ours, theirs)):
            done[name] = "unchanged"
            continue
        with to.said(f"write the dashboard {ours['uid']}"):
            to.api.dashboard.update_dashboard(
                {"dashboard": ours, "folderUid": FOLDER_UID, "overwrite": True, "message": message}
            )
        done[name] = "created" if theirs is None else "updated"
    return done


def _get(to: Connection, uid: str) -> dict[str, Any] | None:
    from grafana_client.client import GrafanaClientError

    with to.said(f"read the dashboard {uid}"):
        try:
            found: dict[str, Any] = to.api.dashboard.get_dashboard(uid)["dashboard"]
        except GrafanaClientError as error:
            if error.status_code != _MISSING:
                raise
            return None
        return found


def _ensure_folder(to: Connection, title: str) -> None:
    from grafana_client.client import GrafanaClientError

    with to.said(f"make the folder {title!r}"):
        try:
            to.api.folder.get_folder(FOLDER_UID)
        except GrafanaClientError as error:
            if error.status_code != _MISSING:
                raise
        else:
            return
        try:
            to.api.folder.create_folder(title, uid=FOLDER_UID)
        except GrafanaClientError as error:
            if error.status_code not in _EXISTS:
                raise


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
