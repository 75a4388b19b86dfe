"""Grafana dashboards: built from these modules, committed as JSON, pushed to Grafana.

``python -m dashboards.grafana.build`` writes the JSON again; it alone needs Grafana's SDK.
"""
