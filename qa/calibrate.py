"""Calibration: gold questions the reader was not trained on, in; the weights of its confidence, out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import numpy as np

from index import Document, InputError, split_passages
from index.embedder import Embedder
from index.passages import whole_text
from index.retriever import retrieve
from index.store import MemoryIndex, Splitter
from qa.confidence import Calibration, span_features
from qa.engine import PASSAGES_READ, ArticleQA
from qa.gold import GoldQuestion
from qa.predictions import RIGHT, f1
from qa.reader import Reader

# Characters of the article on either side of a question's paragraph: the passages that compete with it.
SURROUNDINGS = 3000
UNANSWERABLE = 1 / 2  # of the questions: nothing is presumed of those people will ask
FEWEST = 50  # questions of either kind, below which a fit says nothing


def calibrate(
    reader: Reader,
    embedder: Embedder,
    questions: Iterable[GoldQuestion],
    progress: Callable[[str], None] = print,
) -> Calibration:
    """Fit the confidence of a reader.

    Each question is asked twice: of its paragraph alone and of the paragraph in its surroundings, since the
    best of many passages scores higher by chance than the best of few. The unanswerable ones are weighed to
    be half of all, whatever their share of the data.

    Raises:
        InputError: there are too few questions with or without an answer.
    """
    rows: list[np.ndarray] = []
    right: list[bool] = []
    absent: list[bool] = []
    for (document, split), group in _by_text(questions).items():
        index = MemoryIndex(embedder, split)
        index.add([document])
        engine = ArticleQA(index, reader)
        for question in group:
            retrieved = retrieve(index, question.question, PASSAGES_READ)
            spans = engine.spans(question.question, retrieved)
            best = document.text[spans[0].start : spans[0].end]
            rows.append(span_features(spans, retrieved))
            right.append(not question.is_impossible and f1(best, question.answers) >= RIGHT)
            absent.append(question.is_impossible)
            if len(rows) % 1000 == 0:
                progress(f"calibrating: {len(rows)} questions asked")
    missing = np.array(absent)
    if min(missing.sum(), (~missing).sum()) < FEWEST:
        raise InputError(
            f"There are {missing.sum()} unanswerable and {(~missing).sum()} answerable cases to fit on: "
            f"give data with at least {FEWEST} of each."
        )
    share = missing.mean()
    weights = np.where(missing, UNANSWERABLE / share, (1 - UNANSWERABLE) / (1 - share))
    return Calibration.fit(np.array(rows), np.array(right, float), missing.astype(float), weights)


def _by_text(questions: Iterable[GoldQuestion]) -> dict[tuple[Document, Splitter], list[GoldQuestion]]:
    """The texts that questions are asked of, and how each is split: paragraphs alone are read whole."""
    groups: dict[tuple[Document, Splitter], list[GoldQuestion]] = defaultdict(list)
    for question in questions:
        text, (start, end) = question.document.text, question.paragraph
        if end - start < len(text):
            groups[Document.from_text(text[start:end]), whole_text].append(question)
        around = text[max(0, start - SURROUNDINGS) : end + SURROUNDINGS]
        groups[Document.from_text(around), split_passages].append(question)
    return groups
