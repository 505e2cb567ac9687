"""The retriever: a question to ranked passages, by meaning and by words together.

The two scores are added (a convex combination: Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid
Retrieval"), not the ranks: reciprocal rank fusion (Cormack et al. 2009) throws away how sure each side is.
Gold passage ranked first, in per cent, by `python -m tests.bench.retrieval` over all passages of an article:
see the table in README.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from index.passages import Passage
from index.store import Index

DEPTH = 50  # passages asked of either side
WORDS_WEIGHT = (
    0.04  # of BM25, unbounded, against the cosine; flat between 0.03 and 0.05 on four kinds of text
)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A passage with its retrieval scores: `score` ranks it, of the cosine and BM25 (0 where not found)."""

    passage: Passage
    score: float
    cosine: float
    bm25: float


def retrieve(index: Index, question: str, count: int) -> list[Retrieved]:
    """The `count` passages most likely to answer a question, best first; fewer when the index holds fewer."""
    cosines = {int(n): float(score) for n, score in zip(*index.search_vectors(question, DEPTH), strict=True)}
    words = {int(n): float(score) for n, score in zip(*index.search_words(question, DEPTH), strict=True)}
    floor = min(cosines.values(), default=0.0)  # a passage below the depth is at best as near as the last one
    scores = {
        number: cosines.get(number, floor) + WORDS_WEIGHT * words.get(number, 0.0)
        for number in dict.fromkeys([*cosines, *words])
    }
    best = sorted(scores, key=lambda number: -scores[number])[:count]
    return [
        Retrieved(index.passages[number], scores[number], cosines.get(number, floor), words.get(number, 0.0))
        for number in best
    ]
