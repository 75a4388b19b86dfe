"""Retraining in the service: from configuration and views to proposals, and what may be shown of them."""
