"""What each command of ``driftline`` does."""
