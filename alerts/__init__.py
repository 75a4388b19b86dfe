"""Signals in, notifications and retraining requests out. Knows nothing of detectors or Kafka sources."""
