"""Calibration: gold questions the reader was not trained on, in; the weights of its confidence, out."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from index import Document, InputError, split_passages
from index.embedder import Embedder
from index.passages import whole_text
from index.store import MemoryIndex, Splitter
from qa.confidence import Calibration, span_features
from qa.engine import ArticleQA, to_read
from qa.gold import GoldQuestion
from qa.predictions import RIGHT, f1
from qa.reader import Reader

# Characters of the article on either side of a question's paragraph: the passages that compete with it.
SURROUNDINGS = 3000
ANSWERABLE, UNANSWERABLE, FOREIGN = range(3)  # the last are questions of another text
# Of each kind. Less than half answerable: people also ask what has nothing to do with the text.
SHARES = np.array([0.42, 0.36, 0.22])
MOST = 3000  # questions, drawn from those given: more change the fit less than the draw does
FEWEST = 50  # questions with and without an answer, below which a fit says nothing


def calibrate(
    reader: Reader,
    embedder: Embedder,
    questions: Iterable[GoldQuestion],
    progress: Callable[[str], None] = print,
) -> Calibration:
    """Fit the confidence of a reader.

    Each question is asked twice: of its paragraph alone and of the paragraph in its surroundings, since the
    best of many passages scores higher by chance than the best of few. Each text is also asked a question of
    another: the unanswerable ones of gold sets are about their text, and not all that people ask is. Each
    kind is weighed to its share in `SHARES`, whatever its share of the data.

    Raises:
        InputError: there are too few questions with or without an answer.
    """
    rows: list[np.ndarray] = []
    right: list[bool] = []
    kinds: list[int] = []
    questions = list(questions)
    if len(questions) > MOST:
        questions = random.Random(0).sample(questions, MOST)
    groups = list(_by_text(questions).items())
    for number, ((document, split), group) in enumerate(groups):
        index = MemoryIndex(embedder, split)
        index.add([document])
        engine = ArticleQA(index, reader)
        asked = [(question, UNANSWERABLE if question.is_impossible else ANSWERABLE) for question in group]
        asked += [(question, FOREIGN) for question in _foreign(document, number, groups)]
        for question, kind in asked:
            retrieved = to_read(index, question.question)
            spans = engine.spans(question.question, retrieved)
            best = document.text[spans[0].start : spans[0].end]
            rows.append(span_features(spans))
            kinds.append(kind)
            right.append(kind == ANSWERABLE and f1(best, question.answers) >= RIGHT)
            if len(rows) % 1000 == 0:
                progress(f"calibrating: {len(rows)} questions asked")
    counts = np.bincount(kinds, minlength=len(SHARES))
    if min(counts[ANSWERABLE], counts[UNANSWERABLE]) < FEWEST:
        raise InputError(
            f"There are {counts[UNANSWERABLE]} unanswerable and {counts[ANSWERABLE]} answerable cases to fit "
            f"on: give data with at least {FEWEST} of each."
        )
    of = np.array(kinds)
    weights = (SHARES * len(of) / np.maximum(counts, 1))[of]
    return Calibration.fit(np.array(rows), np.array(right, float), (of != ANSWERABLE).astype(float), weights)


def _foreign(
    document: Document, number: int, groups: Sequence[tuple[object, list[GoldQuestion]]]
) -> list[GoldQuestion]:
    """A question of a far text, the first whose paragraph does not stand in this one; [] for none."""
    for step in range(len(groups)):
        question = groups[(number + len(groups) // 2 + step) % len(groups)][1][0]
        start, end = question.paragraph
        if question.document.text[start:end] not in document.text:
            return [question]
    return []


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
