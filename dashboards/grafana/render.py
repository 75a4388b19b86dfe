"""The dashboards as files for Grafana's provisioning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from dashboards.grafana.committed import committed

_PROVIDER: Final = """\
# For Grafana's folder provisioning/dashboards.
apiVersion: 1
providers:
  - name: driftline
    folder: {folder}
    folderUid: driftline
    type: file
    allowUiUpdates: false
    options: {{path: {path}}}
"""
_SOURCE: Final = """\
# For Grafana's folder provisioning/datasources.
apiVersion: 1
datasources:
  - {{name: Prometheus, uid: prometheus, type: prometheus, access: proxy, url: {url}, isDefault: true}}
"""


def render(
    out: Path, *, folder: str = "Driftline", path: str | None = None, prometheus: str | None = None
) -> list[Path]:
    """Write the dashboards and the provisioning files; return what was written.

    Parameters
    ----------
    out
        Gets ``dashboards/*.json`` and ``provisioning/``.
    folder
        Title of the folder in Grafana.
    path
        Where Grafana will find ``dashboards``; by default where they are written.
    prometheus
        Address of Prometheus as Grafana sees it; with it a data source is provisioned too.
    """
    made = {f"dashboards/{name}.json": _text(dashboard) for name, dashboard in committed().items()}
    place = path or str((out / "dashboards").resolve())
    made["provisioning/dashboards/driftline.yaml"] = _PROVIDER.format(folder=json.dumps(folder), path=json.dumps(place))
    if prometheus is not None:
        made["provisioning/datasources/prometheus.yaml"] = _SOURCE.format(url=json.dumps(prometheus))
    written = []
    for name, text in made.items():
        file = out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def _text(dashboard: object) -> str:
    return json.dumps(dashboard, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
