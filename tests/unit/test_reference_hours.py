"""Hours of a reference: they add up to its days, survive the file, and are the same when learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.config.load import load
from monitor.events import DAY
from monitor.reference import InvalidReferenceError, Reference, ReferenceColumn, ReferenceFlag
from monitor.reference.codec import _unpack_hours
from monitor.reference.parts import hour_days
from tests.evidence_service import BEGIN, configured, logs, rows, run


def test_hours_add_up_to_days_and_survive_the_file(tmp_path: Path) -> None:
    configured(tmp_path, days=9, per_hour=20)
    reference = Reference.load(tmp_path / "reference.json")
    again = Reference.from_json(reference.to_json())
    assert again == reference
    columns: dict[str, ReferenceColumn | ReferenceFlag] = {**reference.columns, **reference.flag_columns}
    for name, column in columns.items():
        days = np.stack(list(column.by_day.values()))
        assert column.by_hour is not None, name
        assert column.by_hour.shape == (9, 24, days.shape[1])
        np.testing.assert_array_equal(column.by_hour.sum(axis=1), days)
        other = again.columns[name] if name in again.columns else again.flag_columns[name]
        assert other.by_hour is not None
        np.testing.assert_array_equal(other.by_hour, column.by_hour)
        assert (column.by_hour.sum(axis=(0, 2)) > 0).all()


def test_a_learnt_reference_has_the_hours_of_the_rows_it_learnt_from(tmp_path: Path) -> None:
    configured(tmp_path)
    text = (tmp_path / "driftline.yaml").read_text().replace("{source: reference.json}", "{learn: 2d}")
    (tmp_path / "driftline.yaml").write_text(text)
    records = rows(BEGIN, BEGIN + 4 * DAY, 110, 3)
    pipeline = run(load(tmp_path / "driftline.yaml", {}), tmp_path, logs(records, pause_every=600))
    reference = pipeline.assembly.models["m"].reference
    assert reference is not None
    found = reference.columns["score"].by_hour
    assert found is not None
    times = np.array([time for time, _ in records]) - BEGIN - DAY
    truth = np.bincount(times[(times >= 0) & (times < 2 * DAY)] // (DAY // 24), minlength=48).reshape(2, 24)
    np.testing.assert_array_equal(found.sum(axis=2), truth)


def test_hours_are_bounded_and_checked() -> None:
    assert all(24 * cells * hour_days(cells, 92) <= 4_000_000 for cells in (1, 100, 10_000, 10_000_000))
    assert hour_days(10, 1) == 0
    with pytest.raises(ValueError, match=r"counts|bytes|base64|Incorrect"):
        _unpack_hours("AAAA", 3)
    assert issubclass(InvalidReferenceError, ValueError)
