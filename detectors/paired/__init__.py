"""Two models on the same rows: which is right more often, whose loss is smaller, and how sure that is."""
