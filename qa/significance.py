"""How far chance explains a score or a difference: bootstrap over articles (Efron & Tibshirani 1993).

Questions of one article stand or fall together, so whole articles are resampled. Where there is only one, its
questions are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index import InputError
from qa.predictions import Prediction, exact_match, f1

Floats = NDArray[np.float64]

RESAMPLES = 5000
SEED = 0
_BATCH = 1 << 20  # draws held in memory at a time


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed from one list of predictions to another over the same questions.

    Attributes:
        em, f1: differences, in points of percent; positive where the second list is better.
        em_p, f1_p: two-sided p-values of these differences, in (0, 1].
        lost: ids of questions that were right and are wrong.
        won: ids of questions that were wrong and are right.
    """

    em: float
    f1: float
    em_p: float
    f1_p: float
    lost: tuple[str, ...]
    won: tuple[str, ...]


def compare(before: Sequence[Prediction], after: Sequence[Prediction]) -> Comparison:
    """Compare two systems by a paired bootstrap (Koehn 2004, Berg-Kirkpatrick et al. 2012).

    The p-value is the share of resamples whose difference is as far from the observed one as that is from
    none: how often chance alone would produce it.

    Raises:
        InputError: the lists are empty, or not over the same questions.
    """
    earlier = {p.id: p for p in before}
    if not earlier or len(earlier) != len(before) or sorted(earlier) != sorted(p.id for p in after):
        raise InputError("Predictions over different questions cannot be compared: evaluate the same set.")
    pairs = [(earlier[p.id], p) for p in after]
    gains = np.array([_gain(old, new) for old, new in pairs])
    drawn = _resampled_means(gains, [p.article for p in after])
    observed = gains.mean(axis=0)
    # The tolerance keeps rounding from telling equal differences apart; the one added is the observed sample
    # itself (Davison & Hinkley 1997), so that p is never 0.
    extreme = np.abs(drawn - observed) >= np.abs(observed) - 1e-9
    em_p, f1_p = (1 + extreme.sum(axis=0)) / (1 + RESAMPLES)
    return Comparison(
        em=float(observed[0]),
        f1=float(observed[1]),
        em_p=float(em_p),
        f1_p=float(f1_p),
        lost=tuple(new.id for old, new in pairs if old.right and not new.right),
        won=tuple(new.id for old, new in pairs if new.right and not old.right),
    )


def interval(values: Floats, articles: Sequence[str]) -> tuple[Floats, Floats]:
    """The 95% percentile bootstrap interval of the means of `values`.

    Args:
        values: float [questions, metrics].
        articles: the article of each question.

    Returns:
        Lower and upper ends, [metrics] each.
    """
    low, high = np.percentile(_resampled_means(values, articles), [2.5, 97.5], axis=0)
    return low, high


def _gain(old: Prediction, new: Prediction) -> tuple[float, float]:
    return (
        100 * (exact_match(new.text, new.answers) - exact_match(old.text, old.answers)),
        100 * (f1(new.text, new.answers) - f1(old.text, old.answers)),
    )


def _resampled_means(values: Floats, articles: Sequence[str]) -> Floats:
    """Means of resamples, [RESAMPLES, metrics]; means over questions, so that long articles weigh more."""
    names, group = np.unique(articles, return_inverse=True)
    if len(names) == 1:
        group = np.arange(len(values))
    # Per unit: the sums of its values, and how many they are.
    sums = np.zeros((group.max() + 1, values.shape[1] + 1))
    np.add.at(sums, group, np.column_stack([values, np.ones(len(values))]))
    generator = np.random.default_rng(SEED)
    batch = max(1, _BATCH // len(sums))
    totals = np.concatenate(
        [
            sums[generator.integers(len(sums), size=(min(batch, RESAMPLES - done), len(sums)))].sum(axis=1)
            for done in range(0, RESAMPLES, batch)
        ]
    )
    means: Floats = totals[:, :-1] / totals[:, -1:]
    return means
