import numpy as np
import pytest

from index import InputError
from qa.confidence import (
    FEATURES,
    GAP_LIMIT,
    MARGIN_LIMIT,
    UNCALIBRATED,
    Calibration,
    decision_score,
    span_features,
)
from qa.spans import Span, merge


def features(*spans):
    return dict(zip(FEATURES, span_features(merge(spans)), strict=True))


def test_features_of_a_single_span():
    found = features(Span(0, 4, 3.0, -0.5, 1, "d", 1))
    assert found["margin"] == 3.0
    assert found["gap"] == GAP_LIMIT
    assert found["log_probability"] == -0.5
    assert found["shared"] == pytest.approx(np.log(np.e**3 / (1 + np.e**3)))
    assert found["rank"] == pytest.approx(np.log(2))
    assert found["seen"] == 0
    assert found["capped_margin"] == 3.0
    assert found["margin_of_many"] == 0


def test_the_margin_is_judged_by_how_many_passages_were_read():
    spans = [Span(10 * rank, 10 * rank + 4, 2.0 - rank, -0.5, 1, "d", rank) for rank in (0, 0, 1, 3)]
    assert features(*spans)["margin_of_many"] == pytest.approx(2 * np.log(3))


def test_the_margin_counts_less_above_its_limit():
    found = features(Span(0, 4, MARGIN_LIMIT + 3, -0.5))
    assert found["margin"] == MARGIN_LIMIT + 3
    assert found["capped_margin"] == MARGIN_LIMIT


def test_the_gap_is_to_the_best_span_elsewhere():
    best, inside, elsewhere = (
        Span(0, 9, 5.0, -1.0, 1, "d"), Span(2, 4, 4.5, -1.0, 1, "d"), Span(20, 24, 2.0, -1.0, 1, "d")
    )  # fmt: skip
    assert features(best, inside, elsewhere)["gap"] == 3.0


def test_large_scores_do_not_overflow():
    assert np.isfinite(
        span_features([Span(0, 4, 500.0, -0.1, 1, "d"), Span(9, 12, -500.0, -9.0, 1, "d")])
    ).all()


def test_fit_recovers_the_model_that_made_the_data():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20000, len(FEATURES)))
    weights = np.array([1.5, -0.5, 0.0, 0.3, *[0.0] * (len(FEATURES) - 4)])
    right = (rng.random(20000) < 1 / (1 + np.exp(-(rows @ weights - 0.4)))).astype(float)
    fitted = Calibration.fit(rows, right, 1 - right, np.ones(20000))
    np.testing.assert_allclose(fitted.right, [*weights, -0.4], atol=0.1)
    predicted = np.array([fitted.probabilities(row)[0] for row in rows[:2000]])
    assert abs(predicted.mean() - right[:2000].mean()) < 0.03
    np.testing.assert_allclose(fitted.absent, -np.array(fitted.right), atol=1e-6)


def test_weights_count_as_repeats():
    rng = np.random.default_rng(1)
    rows, right = rng.normal(size=(300, len(FEATURES))), (rng.random(300) < 0.4).astype(float)
    weights = rng.integers(1, 4, 300)
    weighted = Calibration.fit(rows, right, 1 - right, weights)
    repeated = Calibration.fit(
        np.repeat(rows, weights, 0),
        np.repeat(right, weights),
        np.repeat(1 - right, weights),
        np.ones(weights.sum()),
    )
    probe = rng.normal(size=(20, len(FEATURES)))
    for row in probe:
        assert weighted.probabilities(row)[0] == pytest.approx(repeated.probabilities(row)[0], abs=0.02)


def test_a_feature_that_never_varies_is_harmless(tmp_path):
    rows = np.ones((100, len(FEATURES)))
    rows[:, 0] = np.linspace(-3, 3, 100)
    right = (rows[:, 0] > 0).astype(float)
    Calibration.fit(rows, right, 1 - right, np.ones(100)).save(tmp_path)
    assert Calibration.load(tmp_path).probabilities(rows[-1])[0] > 0.9


def test_a_reader_without_calibration_is_decided_by_its_margin():
    for margin in (-2.0, 2.0):
        row = np.array([margin, *[1.0] * (len(FEATURES) - 1)])
        right, absent = UNCALIBRATED.probabilities(row)
        assert (right > absent) == (margin > 0)
        assert right + absent == pytest.approx(1)


def test_the_decision_score_is_above_0_where_it_is_answered():
    assert decision_score(0.6, 0.3) > 0 > decision_score(0.3, 0.4)
    assert np.isfinite([decision_score(1.0, 0.0), decision_score(0.0, 1.0)]).all()


def test_save_and_load(tmp_path):
    UNCALIBRATED.save(tmp_path)
    assert Calibration.load(tmp_path) == UNCALIBRATED


@pytest.mark.parametrize("content", [None, "", "{}", '{"features": ["other"]}', "[1]"])
def test_a_missing_or_foreign_file_is_one_sentence(tmp_path, content):
    if content is not None:
        (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(InputError, match=r"calibration\.json cannot be used"):
        Calibration.load(tmp_path)
