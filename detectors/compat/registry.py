"""Every peer by name."""

from __future__ import annotations

from typing import Final

from detectors.compat.clouds import sagemaker, vertex
from detectors.compat.column import Peer
from detectors.compat.evidently import evidently
from detectors.compat.libraries import alibi, deepchecks, whylogs
from detectors.compat.nannyml import nannyml
from detectors.compat.river import river

PEERS: Final[dict[str, Peer]] = {
    "evidently": evidently,
    "nannyml": nannyml,
    "sagemaker": sagemaker,
    "vertex": vertex,
    "deepchecks": deepchecks,
    "alibi": alibi,
    "whylogs": whylogs,
    "river": river,
}
