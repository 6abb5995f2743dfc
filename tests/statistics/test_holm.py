"""Holm's correction."""

import numpy as np
import pytest

from kerasae.evaluation.statistics import holm


def test_by_hand():
    # Sorted .01, .02, .03, .04 count 4, 3, 2 and 1 times; none may be below the one before.
    assert holm([0.02, 0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.06, 0.04, 0.06])


def test_order_is_kept_and_nothing_exceeds_1():
    assert holm([0.9, 0.001, 0.8]) == pytest.approx([1.0, 0.003, 1.0])


def test_one_test_needs_no_correction():
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_a_family_without_effects_raises_a_false_alarm_in_at_most_5_percent():
    random = np.random.default_rng(0)
    families = random.uniform(size=(4000, 12))
    alarms = np.mean([min(holm(family)) < 0.05 for family in families])
    # The standard error is 0.35 points.
    assert 0.04 < alarms < 0.06
