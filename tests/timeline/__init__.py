"""Alerts on a hand-wound clock."""
