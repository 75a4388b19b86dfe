"""Watching a model's errors one by one, in an order that the log alone decides."""
