"""Where retraining is requested."""
