"""Confidence: from the reader's spans to calibrated probabilities, and the decision to answer.

Two logistic models over the same few features: how probable it is that the best span is right, and how
probable that the text does not answer the question. The one that is higher decides, and is the confidence:
nothing has to be tuned besides. A logistic model of the logits is Platt's calibration (Platt 1999; Guo et
al. 2017) with more than one input. Both are fitted on questions that the reader was not trained on, by
`article-qa train`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from index import InputError
from qa.spans import Span, without_overlaps

CALIBRATION_FILE = "calibration.json"
GAP_LIMIT = 10.0  # logits; a runner-up further away, or none, says no more
MARGIN_LIMIT = 5.0  # logits, above which the margin says less, as trick questions have such margins, too
RIDGE = 1.0
FEATURES = ("margin", "capped_margin", "gap", "log_probability", "shared", "rank", "seen", "margin_of_many")


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the two logistic models, for features that are standardised first.

    Attributes:
        mean, scale: of each feature, [features].
        right, absent: weights and, last, the intercept, [features + 1].
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    right: tuple[float, ...]
    absent: tuple[float, ...]

    @classmethod
    def load(cls, folder: Path) -> Calibration:
        """Read the file beside a reader's weights.

        Raises:
            InputError: it is missing, or of another version.
        """
        try:
            stored = json.loads((folder / CALIBRATION_FILE).read_text())
            if stored.pop("features") != list(FEATURES):
                raise ValueError("made by another version")
            return cls(**{name: tuple(values) for name, values in stored.items()})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{folder / CALIBRATION_FILE} cannot be used ({error}): calibrate the reader."
            ) from None

    def save(self, folder: Path) -> None:
        """Write the file beside a reader's weights."""
        rounded = {name: [round(value, 5) for value in values] for name, values in asdict(self).items()}
        (folder / CALIBRATION_FILE).write_text(json.dumps({"features": FEATURES, **rounded}, indent=2) + "\n")

    def probabilities(self, features: np.ndarray) -> tuple[float, float]:
        """(the best span is right, the text does not answer), each in [0, 1].

        Args:
            features: as `span_features` gives them, [features].
        """
        inputs = np.append((features - np.array(self.mean)) / np.array(self.scale), 1.0)
        return _sigmoid(inputs @ np.array(self.right)), _sigmoid(inputs @ np.array(self.absent))

    @classmethod
    def fit(
        cls, features: np.ndarray, right: np.ndarray, absent: np.ndarray, weights: np.ndarray
    ) -> Calibration:
        """Fit both models by maximum likelihood with a small ridge.

        Args:
            features: [questions, features].
            right: how right the best span is, in [0, 1], [questions]; 0 where there is no answer.
            absent: 1 where there is no answer, else 0, [questions].
            weights: of each question, [questions].
        """
        mean, scale = features.mean(0), features.std(0)
        scale[scale < 1e-3] = 1.0  # a feature that never varies
        inputs = np.column_stack([(features - mean) / scale, np.ones(len(features))])
        models = (_fit_logistic(inputs, target, weights) for target in (right, absent))
        return cls(tuple(mean.tolist()), tuple(scale.tolist()), *(tuple(model.tolist()) for model in models))


# For a reader without a calibration of its own: the margin decides, at the null score.
UNCALIBRATED = Calibration(
    mean=(0.0,) * len(FEATURES),
    scale=(1.0,) * len(FEATURES),
    right=(0.5, *(0.0,) * len(FEATURES)),
    absent=(-0.5, *(0.0,) * len(FEATURES)),
)


def span_features(spans: Sequence[Span]) -> np.ndarray:
    """What the confidence is judged by, float64, [features].

    Args:
        spans: all candidates, merged, best first; at least one.
    """
    best, *others = without_overlaps(spans, 2)
    gap = best.score - others[0].score if others else GAP_LIMIT
    scores = np.array([span.score for span in spans])
    peak = max(0.0, best.score)
    all_passages = peak + np.log(np.exp(-peak) + np.exp(scores - peak).sum())
    # A margin says less about the only passage of a text: other questions are asked of it than of a long one.
    passages = np.log(len({span.rank for span in spans}))
    return np.array(
        [
            best.score,
            min(best.score, MARGIN_LIMIT),
            min(gap, GAP_LIMIT),
            best.log_probability,
            best.score - all_passages,
            np.log1p(best.rank),
            np.log(best.seen),
            passages * best.score,
        ]
    )


def decision_score(right: float, absent: float) -> float:
    """How much likelier, in log odds, the span is right than the text silent; above 0 where it is answered.

    Args:
        right: probability that the best span is right.
        absent: probability that the text does not answer.
    """
    # Probabilities this near to 0 or 1 tell nothing apart, and their log odds would be infinite.
    odds = [np.clip(p, 1e-14, 1 - 1e-14) for p in (right, absent)]
    return float(np.log(odds[0] / (1 - odds[0])) - np.log(odds[1] / (1 - odds[1])))


def _sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(value, -30, 30))))


def _fit_logistic(inputs: np.ndarray, target: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Newton's method for weighted logistic regression; the last input is the intercept."""
    model = np.zeros(inputs.shape[1])
    ridge = RIDGE * np.eye(len(model))
    ridge[-1, -1] = 0
    for _ in range(30):
        predicted = 1 / (1 + np.exp(-np.clip(inputs @ model, -30, 30)))
        gradient = inputs.T @ (weights * (predicted - target)) + ridge @ model
        curvature = (inputs * (weights * predicted * (1 - predicted))[:, None]).T @ inputs + ridge
        model -= np.linalg.solve(curvature, gradient)
    return model
