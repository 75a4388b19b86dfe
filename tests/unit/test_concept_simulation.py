"""The cards tell how the detectors behave: seeded simulations, against what the cards say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.concept import PATIENCE, measure
from detectors.concept.cards import CARDS
from detectors.concept.detector import ConceptDetector
from tests.river import bare, errors

STREAMS = 10
ROWS = 20_000


@pytest.mark.parametrize("kind", sorted(set(CARDS) - {"kswin"}))
def test_cards_tell_the_truth(kind: str) -> None:
    card, found = CARDS[kind].measured, measure(ConceptDetector(kind), STREAMS, ROWS, seed=7)
    hundred_thousands = STREAMS * ROWS / 100_000
    for told, seen in (
        (card.false_alarms_at_02, found.false_alarms_at_02),
        (card.false_alarms_at_20, found.false_alarms_at_20),
    ):
        allowed = 5 * (max(told, 0.3) / hundred_thousands) ** 0.5
        assert seen == pytest.approx(told, abs=allowed)
    assert found.delay_to_30 == pytest.approx(card.delay_to_30, rel=0.75)
    assert found.delay_to_50 == pytest.approx(card.delay_to_50, rel=0.75)
    assert (found.missed_to_30, found.missed_to_50) == (0, 0)
    assert found.delay_to_50 < found.delay_to_30 < PATIENCE


def test_kswin_is_as_its_card_says() -> None:
    """Nearly blind to errors, and about 130 false alarms in 100,000 losses."""
    detector = ConceptDetector("kswin")
    found = measure(detector, streams=2, rows=4_000, seed=7)
    assert found.missed_to_30 >= 0.5
    assert found.false_alarms_at_20 <= 25
    losses = np.random.default_rng(7).normal(size=10_000)
    assert 4 <= detector.step(detector.initial(1), losses)[0].drifts[0] <= 26


def test_a_detector_of_successes_would_not_pass() -> None:
    """The mutant, River's FHDDM as it is, misses every rise that the card's detector finds."""
    for seed in range(5):
        values = errors(seed, (0.2, 0.5), 2_000)
        assert not [index for index, _ in bare("fhddm", {}, values.tolist()) if 2_000 <= index < 2_000 + 500]
        detector = ConceptDetector("fhddm")
        _, alarms = detector.step(detector.initial(1), values)
        assert [alarm for alarm in alarms if 2_000 <= alarm.index < 2_500]
