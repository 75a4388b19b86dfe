"""Why a record or row was not counted, and what else decoding counts; each with the sentence that people read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

Reason: TypeAlias = Literal[
    "empty_value", "too_large", "too_deep", "too_many_keys", "not_json", "not_a_row", "too_many_rows",
    "row_count_mismatch", "feature_count_mismatch", "missing_id", "bad_id", "missing_time", "bad_time", "crashed",
]  # fmt: skip
"""Code of a reject."""

REJECTS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        "empty_value": "The record has a value of zero bytes.",
        "too_large": "The value is larger than limits.max_record_bytes; it was not read.",
        "too_deep": "The value nests deeper than limits.max_depth.",
        "too_many_keys": "The value has more keys than limits.max_keys.",
        "not_json": "The value is not JSON, not even with NaN, Infinity or a byte-order mark allowed.",
        "not_a_row": "The value, or what explode leads to, is not the object or list that the mapping needs.",
        "too_many_rows": "The record holds more rows than limits.max_rows_per_record.",
        "row_count_mismatch": "A list that is read beside the rows has another length than the rows.",
        "feature_count_mismatch": "The row has another number of values than feature_names.",
        "missing_id": "The row has no id.",
        "bad_id": "The id is not a non-empty text of at most 8 KiB or a whole number.",
        "missing_time": "The row has no event time.",
        "crashed": "Reading the record ended the process, several times; it is not read any more.",
        "bad_time": "The event time is not of the stated time_format, or lies outside 1970 to 2200.",
    }
)

Outcome: TypeAlias = Literal[
    "tombstone", "unmatched", "unsampled", "no_rows",
    "decode_fallback", "unknown_field", "feature_overflow", "bad_version", "vector_size",
]  # fmt: skip
"""Code of a count in ``Chunk.counts``."""

OUTCOMES: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        "tombstone": "A record without a value (a compacted topic's deletion mark).",
        "unmatched": "A record that no model's where admits.",
        "unsampled": "A row whose id the sample leaves out.",
        "no_rows": "A record whose list of rows is empty.",
        "decode_fallback": "A row with a bad cell, or of a record that is no strict JSON; it is counted all the same.",
        "unknown_field": "A field under map.features that is no column, in records whose offset is a multiple of 64.",
        "feature_overflow": "A field that was not learnt: limits.max_features_per_model is reached, or its name odd.",
        "vector_size": "A vector of another length than features.size says or the reference has; its cells are bad.",
        "bad_version": "A row whose version is an object, a list or not finite; its version is empty.",
    }
)

assert set(REJECTS) == set(get_args(Reason))  # noqa: S101 - a reason without its sentence must not ship
assert set(OUTCOMES) == set(get_args(Outcome))  # noqa: S101
