"""Decoding: raw Kafka records in, batches of typed columns out; every record ends up counted somewhere.

``Decoder`` is the way in. ``Schema`` says what to read; ``reasons`` lists why a record may be refused.
"""
