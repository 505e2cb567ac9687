import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from qa.reliability import (
    area_under_risk,
    brier,
    calibration_error,
    least_error,
    reliability,
    risk_coverage,
)


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    confidence = rng.random(150)
    return confidence, rng.random(150) < confidence**2


def test_reliability_agrees_with_scikit_learn(sample):
    confidence, right = sample
    share, mean = calibration_curve(right, confidence, n_bins=15, strategy="quantile")
    curve = reliability(confidence, right)
    np.testing.assert_allclose(curve.right, share)
    np.testing.assert_allclose(curve.confidence, mean)
    np.testing.assert_array_equal(curve.counts, [10] * 15)


def test_calibration_error_by_hand():
    confidence = np.array([0.9, 0.8, 0.3, 0.1, 0.2])
    right = np.array([True, False, True, False, False])
    # Bins .1 .2 .3 (mean .2, a third right) and .8 .9 (mean .85, half right).
    assert calibration_error(confidence, right, bins=2) == pytest.approx(
        3 / 5 * abs(0.2 - 1 / 3) + 2 / 5 * abs(0.85 - 0.5)
    )


def test_brier_agrees_with_scikit_learn(sample):
    assert brier(*sample) == pytest.approx(brier_score_loss(sample[1], sample[0]))


def test_risk_coverage_by_hand():
    coverage, risk = risk_coverage(np.array([0.2, 0.9, 0.5, 0.7]), np.array([False, True, True, False]))
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3, 2 / 4])


def test_area_under_risk_bounds(sample):
    right = sample[1]
    best = area_under_risk(right.astype(float), right)
    assert best < area_under_risk(*sample) < area_under_risk(1.0 - right, right)
    # Equal confidences rank nothing: the risk is the same at every coverage.
    assert area_under_risk(np.full(150, 0.5), right) == pytest.approx(1 - right.mean())


def test_order_of_equal_confidences_does_not_matter(sample):
    confidence, right = np.round(sample[0], 1), sample[1]
    shuffle = np.random.default_rng(1).permutation(150)
    for metric in (calibration_error, area_under_risk):
        assert metric(confidence, right) == pytest.approx(metric(confidence[shuffle], right[shuffle]))


def test_one_value():
    confidence, right = np.array([0.7]), np.array([True])
    assert calibration_error(confidence, right) == pytest.approx(0.3)
    assert area_under_risk(confidence, right) == 0


def test_few_perfect_confidences_have_an_error_by_chance():
    rng = np.random.default_rng(1)
    few, many = rng.random(100), rng.random(20_000)
    assert least_error(few) > 0.08
    assert least_error(many, 5) < 0.01
    assert least_error(few) == least_error(few)
    assert least_error(np.ones(50)) == 0.0
