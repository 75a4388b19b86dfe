"""Alerts in the service: signals out of the pipeline, the engine in a thread of its own, what is shown of it."""
