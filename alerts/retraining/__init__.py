"""Retraining that starts safely: with evidence, within limits, at most once for each episode, and with an audit."""
