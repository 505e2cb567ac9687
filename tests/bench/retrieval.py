"""`python -m tests.bench.retrieval GOLD...`: how often the gold passage is found, by engine and by fusion.

All passages of an article compete; a hit holds a gold span whole. With `--original` also for the embedder's
original weights through sentence-transformers, and the agreement of its vectors with the bundled ones.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.embedder import Embedder, OnnxEmbedder
from index.export_embedder import original_weights
from index.retriever import DEPTH, retrieve
from index.sentence_transformer import SentenceTransformerEmbedder
from index.store import Hits, MemoryIndex
from qa.gold import GoldQuestion, read_gold

DEPTHS = (1, 3, 5, 10)


@dataclass(frozen=True)
class Case:
    """A question's hits by either engine, its fused ranking, and the passages that hold the answer."""

    vectors: Hits
    words: Hits
    fused: list[int]
    gold: set[int]


def cases(questions: list[GoldQuestion], embedder: Embedder) -> Iterator[Case]:
    """Retrieve for each answerable question, over its article."""
    by_article = defaultdict(list)
    for question in questions:
        by_article[question.document.id].append(question)
    for group in by_article.values():
        index = MemoryIndex(embedder)
        index.add([group[0].document])
        numbers = {(p.start, p.end): number for number, p in index.passages.items()}
        for question in group:
            hits = retrieve(index, question.question, DEPTH)
            gold = {
                number
                for number, p in index.passages.items()
                if any(p.start <= start and end <= p.end for start, end in question.spans)
            }
            yield Case(
                index.search_vectors(question.question, DEPTH),
                index.search_words(question.question, DEPTH),
                [numbers[hit.passage.start, hit.passage.end] for hit in hits],
                gold,
            )


def reciprocal_ranks(case: Case) -> list[int]:
    """Reciprocal rank fusion with k = 60 (Cormack et al. 2009), for comparison."""
    scores: dict[int, float] = defaultdict(float)
    for numbers, _ in (case.vectors, case.words):
        for rank, number in enumerate(numbers):
            scores[int(number)] += 1 / (60 + rank + 1)
    return sorted(scores, key=lambda number: -scores[number])


RANKINGS: dict[str, Callable[[Case], list[int]]] = {
    "vectors": lambda case: list(case.vectors[0]),
    "BM25": lambda case: list(case.words[0]),
    "reciprocal ranks": reciprocal_ranks,
    "ours": lambda case: case.fused,
}


def report(name: str, found: list[Case], rankings: list[str]) -> None:
    """Print recall at each depth."""
    for ranking in rankings:
        ranks = [
            next((r for r, n in enumerate(RANKINGS[ranking](case)) if n in case.gold), 10**9)
            for case in found
        ]
        recalls = "  ".join(f"{100 * np.mean(np.array(ranks) < depth):5.1f}" for depth in DEPTHS)
        print(f"{name:42} {ranking:18} {recalls}")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.retrieval", description=__doc__)
    parser.add_argument("gold", type=Path, nargs="+", help="gold sets")
    parser.add_argument(
        "--most", type=int, default=1500, help="questions drawn from each set (default: 1500)"
    )
    parser.add_argument("--original", action="store_true", help="compare with the original weights")
    options = parser.parse_args()
    embedders: dict[str, Embedder] = {"": OnnxEmbedder()}
    if options.original:
        embedders[" (original weights)"] = SentenceTransformerEmbedder(str(original_weights()))
    print(f"{'recall, per cent, at':61} " + "  ".join(f"{depth:5}" for depth in DEPTHS))
    for path in options.gold:
        questions = [question for question in read_gold(path) if not question.is_impossible]
        questions = random.Random(0).sample(questions, min(options.most, len(questions)))
        for suffix, embedder in embedders.items():
            report(path.name.split(".")[0] + suffix, list(cases(questions, embedder)), list(RANKINGS))
        if options.original:
            texts = [question.question for question in questions[:200]]
            ours, theirs = (embedder.encode(texts) for embedder in embedders.values())
            cosines = (ours * theirs).sum(1)
            print(f"cosine of {len(texts)} questions: mean {cosines.mean():.4f}, least {cosines.min():.4f}")


if __name__ == "__main__":
    main()
