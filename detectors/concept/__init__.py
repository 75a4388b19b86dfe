"""Concept drift on a stream of errors or losses: River's sequential detectors, guarded."""
