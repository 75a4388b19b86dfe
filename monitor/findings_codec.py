"""Findings of one window as bytes: columns of figures, a compressed block a detector, one checksum over all.

Figures of one kind stand together, byte by byte of their binary form, which is what makes floating-point numbers
compress; a block a detector lets a series of one detector be read without unpacking the others.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import zstandard
from crc32c import crc32c

from monitor.findings import Finding
from monitor.sheets import FIGURES, Block

FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BI")


class DamagedFindingsError(ValueError):
    """Bytes that are not what ``encode_findings`` made."""


def encode_findings(findings: Sequence[Finding]) -> bytes:
    """Return findings as bytes.

    >>> found = Finding("age", "psi", 0.3, 0.28, 0.2, 0.4, float("inf"), 0.1, "drift", 1, "")
    >>> decode_findings(encode_findings([found])) == (found,)
    True
    """
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.detector, []).append(finding)
    compressor = zstandard.ZstdCompressor(level=3)
    blocks = {detector: compressor.compress(_encode_block(group)) for detector, group in groups.items()}
    body = msgspec.msgpack.encode([blocks, _order(findings, groups)])
    return _HEAD.pack(FORMAT, crc32c(body)) + body


def decode_findings(data: bytes) -> tuple[Finding, ...]:
    """Return all findings, in the order they were encoded in.

    Raises
    ------
    DamagedFindingsError
        When the bytes are damaged or of an unknown format.
    """
    blocks, order = _open(data)
    decompressor = zstandard.ZstdDecompressor()
    grouped: list[Finding] = []
    for detector, block in blocks.items():
        columns = _decode_block(decompressor.decompress(block))
        figures = columns.figures.tolist()
        grouped.extend(_finding(columns, detector, place, numbers) for place, numbers in enumerate(figures))
    if order is None:
        return tuple(grouped)
    return tuple(grouped[place] for place in order)


def decode_blocks(data: bytes) -> dict[str, Block]:
    """Return all findings as tables, one a detector; raises as ``decode_findings``."""
    blocks, _ = _open(data)
    decompressor = zstandard.ZstdDecompressor()
    return {detector: _decode_block(decompressor.decompress(block)) for detector, block in blocks.items()}


def decode_one(data: bytes, column: str, detector: str) -> Finding | None:
    """Return the finding of one column and detector, ``None`` when there is none; raises as ``decode_findings``."""
    block = _open(data)[0].get(detector)
    if block is None:
        return None
    columns = _decode_block(zstandard.ZstdDecompressor().decompress(block))
    if column not in columns.names:
        return None
    place = columns.names.index(column)
    return _finding(columns, detector, place, columns.figures[place].tolist())


def _finding(columns: Block, detector: str, place: int, numbers: list[float]) -> Finding:
    statistic, effect, low, high, p_value, threshold = numbers
    return Finding(
        column=columns.names[place],
        detector=detector,
        statistic=statistic,
        effect=effect,
        low=low,
        high=high,
        p_value=p_value,
        threshold=threshold,
        status=columns.statuses[columns.codes[place]],
        direction=columns.directions[place],
        explanation=columns.explanations[place],
    )


def _order(findings: Sequence[Finding], groups: dict[str, list[Finding]]) -> list[int] | None:
    """Return where each finding stands once grouped, ``None`` when grouping changes nothing."""
    firsts: dict[str, int] = {}
    total = 0
    for detector, group in groups.items():
        firsts[detector] = total
        total += len(group)
    order: list[int] = []
    for finding in findings:
        order.append(firsts[finding.detector])
        firsts[finding.detector] += 1
    return None if order == list(range(total)) else order


def _encode_block(group: Sequence[Finding]) -> bytes:
    figures = np.array([[getattr(finding, name) for finding in group] for name in FIGURES], "<f8")
    shuffled = figures.view(np.uint8).reshape(len(FIGURES), len(group), 8).transpose(0, 2, 1)
    statuses = sorted({finding.status for finding in group})
    return msgspec.msgpack.encode(
        [
            [finding.column for finding in group],
            shuffled.tobytes(),
            statuses,
            [statuses.index(finding.status) for finding in group],
            [finding.direction for finding in group],
            [finding.explanation for finding in group],
        ]
    )


def _decode_block(block: bytes) -> Block:
    names, figures, statuses, codes, directions, explanations = msgspec.msgpack.decode(block)
    shuffled = np.frombuffer(figures, np.uint8).reshape(len(FIGURES), 8, len(names))
    restored = np.ascontiguousarray(shuffled.transpose(2, 0, 1)).view("<f8")[:, :, 0]
    return Block(names, restored, statuses, codes, directions, explanations)


def _open(data: bytes) -> tuple[dict[str, bytes], Any]:
    if len(data) < _HEAD.size:
        raise DamagedFindingsError(f"{len(data)} bytes are too few")
    form, checksum = _HEAD.unpack_from(data)
    body = data[_HEAD.size :]
    if crc32c(body) != checksum:
        raise DamagedFindingsError("the checksum does not match")
    if form != FORMAT:
        raise DamagedFindingsError(f"format {form} is not known, only {FORMAT}")
    blocks, order = msgspec.msgpack.decode(body)
    return blocks, order
