"""Vectors, such as embeddings: turned into a few ordinary columns, and compared whole."""
