"""How a reader in training does on the windows that are kept from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from qa.examples import Features
from qa.span_model import logits, span_loss
from qa.spans import MAX_SPAN_TOKENS

BATCH = 32


@torch.inference_mode()
def validate(model: torch.nn.Module, windows: Sequence[Features]) -> dict[str, float]:
    """Scores over windows, each rounded to 4 digits; {} when there is none.

    Returns:
        `loss`: the mean, as in training;
        `exact`: of the windows that hold an answer, the share whose best span, null apart, is one;
        `separation`: the share of pairs of a window with and one without an answer in which the first has the
        larger margin of its best span over null (the area under the ROC curve).
    """
    if not windows:
        return {}
    training = model.training
    model.eval()
    order = sorted(windows, key=lambda window: len(window.ids))
    losses: list[float] = []
    margins: list[float] = []
    exact: list[bool] = []
    for begin in range(0, len(order), BATCH):
        batch = order[begin : begin + BATCH]
        start, end = logits(model, batch)
        losses += [span_loss(start, end, [window.targets for window in batch]).item()] * len(batch)
        for row, window in enumerate(batch):
            margin, span = _best_span(start[row].numpy(), end[row].numpy(), window)
            margins.append(margin)
            exact.append(span in window.targets)
    model.train(training)
    answerable = np.array([window.targets != ((0, 0),) for window in order])
    scores = {"loss": float(np.mean(losses))}
    if answerable.any():
        scores["exact"] = float(np.mean(np.array(exact)[answerable]))
    if answerable.any() and not answerable.all():
        scores["separation"] = _pairs_in_order(np.array(margins), answerable)
    return {name: round(score, 4) for name, score in scores.items()}


def _best_span(start: np.ndarray, end: np.ndarray, window: Features) -> tuple[float, tuple[int, int]]:
    size = len(window.ids)
    first = int(window.types.argmax())  # of the context; its last token is a separator
    scores = start[first : size - 1, None] + end[None, first : size - 1]
    scores = np.where(np.triu(np.tril(np.ones_like(scores, bool), MAX_SPAN_TOKENS - 1)), scores, -np.inf)
    begin, last = np.unravel_index(int(scores.argmax()), scores.shape)
    return float(scores[begin, last] - start[0] - end[0]), (int(begin) + first, int(last) + first)


def _pairs_in_order(margins: np.ndarray, answerable: np.ndarray) -> float:
    ranks = np.empty(len(margins))
    ranks[margins.argsort(kind="stable")] = np.arange(1, len(margins) + 1)
    with_answer = int(answerable.sum())
    above = ranks[answerable].sum() - with_answer * (with_answer + 1) / 2
    return float(above / (with_answer * (len(margins) - with_answer)))
