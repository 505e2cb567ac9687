import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, precision_recall_fscore_support

from qa.metrics import (
    abstention_scores,
    answer_scores,
    best_scores,
    best_threshold,
    confidence_scores,
    retrieval_scores,
    speed,
    summarise,
)


def close(scores, **expected):
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


@pytest.fixture
def four(predict):
    """Right, half right, wrongly withheld; and an unanswerable one that was answered."""
    return [
        predict(1, score=4.0),
        predict(2, text="Rome Milan", score=3.0),
        predict(3, text="", best="Rome", score=1.0),
        predict(4, answers=(), text="Oslo", score=2.0),
    ]


def test_answer_scores(four):
    close(
        answer_scores(four),
        em=25.0,
        f1=100 * (1 + 2 / 3) / 4,
        answerable_em=100 / 3,
        answerable_f1=100 * (1 + 2 / 3) / 3,
        unanswerable_em=0.0,
        unanswerable_f1=0.0,
        forced_em=200 / 3,
        forced_f1=100 * (2 + 2 / 3) / 3,
    )


def test_answer_scores_interval_brackets_the_mean(predict):
    predictions = [predict(i, article=str(i // 4), text="Rome" if i % 3 else "Bonn") for i in range(40)]
    scores = answer_scores(predictions)
    assert 40 < scores["f1_low"] < scores["f1"] < scores["f1_high"] < 90


def test_best_scores(four):
    # From 3.0 on: right, half right, withheld, right. From 1.0 on the third is gained but the fourth is lost.
    close(best_scores(four), best_f1=100 * (1 + 2 / 3 + 0 + 1) / 4, best_f1_threshold=3.0)
    close(best_scores(four), best_em=50.0, best_em_threshold=4.0)


def test_best_threshold_never_splits_equal_scores():
    score = np.array([1.0, 1.0, 0.0])
    # Answering the first alone would earn 2/3.
    mean, threshold = best_threshold(score, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    assert (mean, threshold > 1.0) == (pytest.approx(1 / 3), True)


def test_best_threshold_agrees_with_trying_all(four):
    rng = np.random.default_rng(0)
    for _ in range(50):
        score, answering, abstaining = rng.integers(5, size=(3, 12)).astype(float)
        tried = [np.where(score >= threshold, answering, abstaining).mean() for threshold in [*score, np.inf]]
        mean, threshold = best_threshold(score, answering, abstaining)
        assert mean == pytest.approx(max(tried))
        assert np.where(score >= threshold, answering, abstaining).mean() == pytest.approx(mean)


def test_abstention_scores_agree_with_scikit_learn(predict):
    rng = np.random.default_rng(0)
    truth, abstained = rng.random(60) < 0.4, rng.random(60) < 0.5
    predictions = [
        predict(i, answers=() if none else ("Rome",), text="" if withheld else "Rome")
        for i, (none, withheld) in enumerate(zip(truth, abstained, strict=True))
    ]
    expected = precision_recall_fscore_support(truth, abstained, average="binary")[:3]
    names = ("abstention_precision", "abstention_recall", "abstention_f1")
    scores = abstention_scores(predictions)
    assert [scores[name] / 100 for name in names] == pytest.approx(expected)


def test_retrieval_scores(predict):
    candidates = [("Rome",), ("Milan", "Bonn", "the Rome"), ("Milan",) * 5, ()]
    predictions = [
        predict(i, gold_rank=rank, candidates=texts)
        for i, (rank, texts) in enumerate(zip([1, 4, 10, None], candidates, strict=True))
    ]
    scores = retrieval_scores([*predictions, predict(9, answers=(), gold_rank=None)])
    expected = {
        "recall@1": 25,
        "recall@3": 25,
        "recall@5": 50,
        "recall@10": 75,
        "mrr": (1 + 1 / 4 + 1 / 10) / 4,
    }
    assert scores == pytest.approx(expected | {"answer@1": 25, "answer@3": 50})


def test_confidence_scores(predict):
    predictions = [
        predict(1, confidence=0.9),
        predict(2, confidence=0.6, text="Bonn"),
        predict(3, confidence=0.5),
        predict(4, confidence=0.8, answers=(), text=""),  # right, but no answer
        predict(5, confidence=0.7, text=""),  # wrong, and no answer
    ]
    scores = confidence_scores(predictions)
    close(
        scores,
        accuracy=60.0,
        brier=brier_score_loss([1, 0, 1, 1, 0], [0.9, 0.6, 0.5, 0.8, 0.7]),
        ece=(0.1 + 0.6 + 0.5 + 0.2 + 0.7) / 5,
        aurc=(0 + 1 / 2 + 1 / 3) / 3,
        accuracy_of_answers=200 / 3,
        accuracy_of_confident_half=50.0,  # of three answers, two
    )


def test_speed(predict):
    predictions = [predict(i, seconds=i / 1000) for i in range(101)]
    close(speed(predictions), latency_p50_ms=50.0, latency_p95_ms=95.0, questions_per_second=101 / 5.05)
    assert "questions_per_second" not in speed([predict(seconds=0.0)])


def test_summarise_nothing():
    assert summarise([]) == {}


def test_summarise_one_right_answer(predict):
    summary = summarise([predict()])
    ones = ("questions", "answerable", "answered", "articles", "mrr")
    hundreds = (
        "em",
        "f1",
        "answerable_f1",
        "forced_f1",
        "best_em",
        "best_f1",
        "recall@1",
        "answer@1",
        "accuracy",
    )
    close(summary, **dict.fromkeys(ones, 1), **dict.fromkeys(hundreds, 100), unanswerable=0, aurc=0, ece=0.1)
    absent = {"unanswerable_em", "abstention_precision", "abstention_recall", "abstention_f1", "f1_low"}
    assert not absent & summary.keys()


def test_summarise_all_abstained(predict):
    summary = summarise([predict(1, text=""), predict(2, answers=(), text="")])
    close(
        summary, answered=0, f1=50, forced_f1=100, best_f1=50, abstention_precision=50, abstention_recall=100
    )
    assert not {"aurc", "accuracy_of_answers", "accuracy_of_confident_half"} & summary.keys()


def test_summarise_no_answerable(predict):
    summary = summarise([predict(1, answers=(), text="Oslo"), predict(2, answers=(), text="Bonn")])
    close(summary, unanswerable_f1=0, abstention_recall=0, abstention_f1=0, best_f1=100)
    assert summary["best_f1_threshold"] > 1.0
    assert not {"answerable_f1", "forced_f1", "recall@1", "abstention_precision"} & summary.keys()


def test_summarise_is_finite_floats_and_ignores_the_order(four):
    summary = summarise(four)
    assert all(isinstance(value, (int, float)) and np.isfinite(value) for value in summary.values())
    assert summarise(four[::-1]) == pytest.approx(summary)
