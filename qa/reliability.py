"""How far confidences can be trusted: calibration, and the risk of answering less or more often.

All functions take `confidence`, float [n], in [0, 1], and `right`, bool [n]: whether what was shown is right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 15


class Bins(NamedTuple):
    """The reliability curve: per bin of equal mass, by ascending confidence.

    Attributes:
        confidence: mean confidence, [bins].
        right: share that is right, [bins].
        counts: how many, [bins].
    """

    confidence: Floats
    right: Floats
    counts: NDArray[np.int64]


def reliability(confidence: Floats, right: Flags, bins: int = BINS) -> Bins:
    """The reliability curve with bins of (nearly) equal counts (Nguyen & O'Connor 2015).

    With fewer than `bins` values, every value is a bin. Raises ValueError without any value.
    """
    ordered, shares = _ranked(confidence, right)
    parts = min(bins, len(ordered))
    split = list(zip(np.array_split(ordered[::-1], parts), np.array_split(shares[::-1], parts), strict=True))
    return Bins(
        np.array([mean.mean() for mean, _ in split]),
        np.array([share.mean() for _, share in split]),
        np.array([len(mean) for mean, _ in split]),
    )


def calibration_error(confidence: Floats, right: Flags, bins: int = BINS) -> float:
    """Expected calibration error, in [0, 1] (Naeini et al. 2015, Guo et al. 2017), with bins of equal mass.

    The mean distance between confidence and share of right answers over the bins, weighted by their counts.
    """
    curve = reliability(confidence, right, bins)
    return float(np.average(np.abs(curve.confidence - curve.right), weights=curve.counts))


def least_error(confidence: Floats, draws: int = 200) -> float:
    """The calibration error that perfect confidences of these values have by chance, over as many questions.

    With few questions a bin's share of right answers differs from its confidence even if that is right
    (Roelofs et al. 2022). Whether each is right is drawn as its confidence says; the mean over the draws.
    """
    rng = np.random.default_rng(0)
    errors = [calibration_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)]
    return float(np.mean(errors))


def brier(confidence: Floats, right: Flags) -> float:
    """Mean squared distance of the confidence from what happened, in [0, 1] (Brier 1950)."""
    return float(np.mean((confidence - right) ** 2))


def risk_coverage(confidence: Floats, right: Flags) -> tuple[Floats, Floats]:
    """The risk of keeping only the most confident answers (El-Yaniv & Wiener 2010).

    Returns:
        coverage: the share of the answers kept, [n]: 1/n, 2/n, ... 1.
        risk: the share of the kept ones that is wrong, [n].
    """
    _, shares = _ranked(confidence, right)
    kept = np.arange(1, len(shares) + 1)
    return kept / len(shares), 1 - np.cumsum(shares) / kept


def area_under_risk(confidence: Floats, right: Flags) -> float:
    """Area under the risk-coverage curve, in [0, 1]: its mean risk (Geifman & El-Yaniv 2017)."""
    return float(risk_coverage(confidence, right)[1].mean())


def _ranked(confidence: Floats, right: Flags) -> tuple[Floats, Floats]:
    """Confidences in descending order, and how right each is; equal ones share their mean.

    Sharing makes the curves independent of the order of the questions: they are what a random order of equal
    confidences gives in expectation.
    """
    values, group = np.unique(-np.asarray(confidence, np.float64), return_inverse=True)
    counts = np.bincount(group)
    return np.repeat(-values, counts), np.repeat(np.bincount(group, right) / counts, counts)
