"""Predictions over a gold set -> metrics.

Rates are percents; `mrr`, `ece`, `brier` and `aurc` are in [0, 1]; thresholds are on the scale of
`Prediction.score`. A metric that is undefined for the predictions, such as one about unanswerable questions
where there are none, is absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qa.predictions import Prediction, exact_match, f1
from qa.reliability import area_under_risk, brier, calibration_error, least_error, risk_coverage
from qa.significance import interval

Floats = NDArray[np.float64]

RECALL_AT = (1, 3, 5, 10)
ANSWER_AT = (1, 3)


def summarise(predictions: Sequence[Prediction]) -> dict[str, float]:
    """All metrics of predictions over one gold set.

    Returns:
        `questions`, `answerable`, `unanswerable`, `answered`, `articles`: counts;
        `em`, `em_low`, `em_high`, `f1`, `f1_low`, `f1_high`, `answerable_em`, `answerable_f1`,
        `unanswerable_em`, `unanswerable_f1`, `forced_em`, `forced_f1`: see `answer_scores`;
        `best_em`, `best_em_threshold`, `best_f1`, `best_f1_threshold`: see `best_scores`;
        `abstention_precision`, `abstention_recall`, `abstention_f1`: see `abstention_scores`;
        `recall@k`, `mrr`, `answer@k`: see `retrieval_scores`;
        `accuracy`, `ece`, `brier`, `aurc`, `accuracy_of_answers`, `accuracy_of_confident_half`: see
        `confidence_scores`;
        `latency_p50_ms`, `latency_p95_ms`, `questions_per_second`: see `speed`.
    """
    if not predictions:
        return {}
    answerable = sum(p.answerable for p in predictions)
    summary: dict[str, float] = {
        "questions": len(predictions),
        "answerable": answerable,
        "unanswerable": len(predictions) - answerable,
        "answered": sum(p.answered for p in predictions),
        "articles": len({p.article for p in predictions}),
    }
    for scores in (answer_scores, best_scores, abstention_scores, retrieval_scores, confidence_scores, speed):
        summary |= scores(predictions)
    return summary


def answer_scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Exact match and F1 by the rules of SQuAD 2.0 (Rajpurkar et al. 2018), in percent.

    Over all questions, with 95% bootstrap intervals over articles; over the answerable and the unanswerable
    ones; and, as `forced`, over the answerable ones with the best span in place of an abstention.
    """
    shown = _em_f1((p.text for p in predictions), predictions)
    means = {"": shown}
    answerable = np.array([p.answerable for p in predictions], bool)
    for name, chosen in (("answerable_", answerable), ("unanswerable_", ~answerable)):
        means[name] = shown[chosen]
    forced = [p for p in predictions if p.answerable]
    means["forced_"] = _em_f1((p.best for p in forced), forced)
    scores = {}
    for name, values in means.items():
        if len(values):
            scores[f"{name}em"], scores[f"{name}f1"] = values.mean(axis=0).tolist()
    if len(predictions) > 1:
        low, high = interval(shown, [p.article for p in predictions])
        scores |= {"em_low": low[0], "em_high": high[0], "f1_low": low[1], "f1_high": high[1]}
    return {name: float(value) for name, value in scores.items()}


def best_scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """The best exact match and F1 that any threshold on the score reaches, and those thresholds.

    An optimistic bound: the threshold is chosen on the questions it is judged by.
    """
    best = _em_f1((p.best for p in predictions), predictions)
    abstained = _em_f1(("" for _ in predictions), predictions)
    score = np.array([p.score for p in predictions])
    scores: dict[str, float] = {}
    for column, name in enumerate(("best_em", "best_f1")):
        value, threshold = best_threshold(score, best[:, column], abstained[:, column])
        scores |= {name: value, f"{name}_threshold": threshold}
    return scores


def best_threshold(score: Floats, answering: Floats, abstaining: Floats) -> tuple[float, float]:
    """The best mean that answering from a threshold on reaches, and that threshold.

    As `find_best_thresh` of the SQuAD 2.0 evaluation script, but equal scores are never told apart.

    Args:
        score: decision scores, [n], finite.
        answering: what each question earns when it is answered, [n].
        abstaining: what it earns when it is not, [n].

    Returns:
        The mean, and the lowest score to answer; just above all scores when abstaining always is best.
    """
    order = np.argsort(-score, kind="stable")
    score = score[order]
    totals = abstaining.sum() + np.concatenate([[0.0], np.cumsum((answering - abstaining)[order])])
    last_of_equals = np.append(score[1:] != score[:-1], True)
    totals[1:][~last_of_equals] = -np.inf
    best = int(np.argmax(totals))
    threshold = score[best - 1] if best else np.nextafter(score[0], np.inf)
    return float(totals[best] / len(score)), float(threshold)


def abstention_scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Precision, recall and F1 of abstaining, in percent; the positives are the unanswerable questions."""
    unanswerable = sum(not p.answerable for p in predictions)
    abstained = sum(not p.answered for p in predictions)
    hits = sum(not p.answerable and not p.answered for p in predictions)
    if not unanswerable:
        return {}
    scores = {
        "abstention_recall": 100 * hits / unanswerable,
        "abstention_f1": 200 * hits / (unanswerable + abstained),
    }
    return scores | ({"abstention_precision": 100 * hits / abstained} if abstained else {})


def retrieval_scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """How well gold passages and gold answers are found, over the answerable questions.

    `recall@k`: percent with a gold span in one of the first k passages. `mrr`: mean reciprocal rank of the
    first such passage, 0 where there is none (Voorhees 1999). `answer@k`: percent with an exact match among
    the first k candidates.
    """
    answerable = [p for p in predictions if p.answerable]
    if not answerable:
        return {}
    ranks = np.array([np.inf if p.gold_rank is None else p.gold_rank for p in answerable])
    matches = np.array([_first_match(p) for p in answerable])
    return (
        {f"recall@{k}": 100 * float(np.mean(ranks <= k)) for k in RECALL_AT}
        | {"mrr": float(np.mean(1 / ranks))}
        | {f"answer@{k}": 100 * float(np.mean(matches <= k)) for k in ANSWER_AT}
    )


def confidence_scores(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Whether confidences tell right from wrong; what is right, `Prediction.right` says.

    Over all questions: `accuracy`, in percent, `ece`, `ece_by_chance`, which perfect confidences would have,
    and `brier`. Over the answers shown: `aurc`, the area under the risk-coverage curve, `accuracy_of_answers`
    and `accuracy_of_confident_half`, in percent.
    """
    confidence, right = confidences(predictions)
    scores = {
        "accuracy": 100 * float(right.mean()),
        "ece": calibration_error(confidence, right),
        "ece_by_chance": least_error(confidence),
        "brier": brier(confidence, right),
    }
    confidence, right = confidences([p for p in predictions if p.answered])
    if len(right):
        coverage, risk = risk_coverage(confidence, right)
        scores |= {
            "aurc": area_under_risk(confidence, right),
            "accuracy_of_answers": 100 * float(right.mean()),
            "accuracy_of_confident_half": 100 * (1 - float(risk[np.searchsorted(coverage, 0.5)])),
        }
    return scores


def confidences(predictions: Sequence[Prediction]) -> tuple[Floats, NDArray[np.bool_]]:
    """The confidence of each prediction and whether it is right, [n] each, as `qa.reliability` takes them."""
    confidence = np.array([p.confidence for p in predictions], np.float64)
    return confidence, np.array([p.right for p in predictions], np.bool_)


def speed(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Median and 95th percentile of the latency, in ms, and questions per second of answering one by one."""
    seconds = np.array([p.seconds for p in predictions])
    p50, p95 = np.percentile(1000 * seconds, [50, 95])
    scores = {"latency_p50_ms": float(p50), "latency_p95_ms": float(p95)}
    if total := seconds.sum():
        scores["questions_per_second"] = float(len(seconds) / total)
    return scores


def _em_f1(texts: Iterator[str], predictions: Sequence[Prediction]) -> Floats:
    """Exact match and F1 of a text for each question, in percent, [questions, 2]."""
    rows = [(exact_match(t, p.answers), f1(t, p.answers)) for t, p in zip(texts, predictions, strict=True)]
    return 100 * np.array(rows, np.float64).reshape(-1, 2)


def _first_match(prediction: Prediction) -> float:
    """Rank, from 1, of the first candidate that is an exact match; infinite when none is."""
    answers = prediction.answers
    ranks = (rank for rank, text in enumerate(prediction.candidates, 1) if exact_match(text, answers))
    return next(ranks, np.inf)
