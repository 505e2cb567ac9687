"""`python -m tests.bench.milvus GOLD`: one set of articles in a shelf and in Milvus Lite, asked the same.

Prints, as a Markdown table, how often the gold passage is among the first retrieved over all articles, and
how long retrieving takes; then how many of the answers are the same words at the same place.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from index.embedder import load_embedder
from index.opening import open_index
from index.retriever import DEPTH, Retrieved, retrieve
from index.store import Store
from qa import ArticleQA
from qa.confidence import Calibration
from qa.gold import GoldQuestion, read_gold
from qa.reader import BUNDLED, load_reader

DEPTHS = (1, 3, 5, 10)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.milvus", description=__doc__)
    parser.add_argument("gold", type=Path, help="gold set")
    parser.add_argument("--questions", type=int, default=300, help="drawn from it (default: 300)")
    options = parser.parse_args()
    all_questions = read_gold(options.gold)
    articles = {question.document.id: question.document for question in all_questions}
    asked = random.Random(0).sample(all_questions, min(options.questions, len(all_questions)))
    embedder = load_embedder()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        answers, rows = [], []
        for label, name in (("folder", f"{folder}/shelf"), ("Milvus Lite", f"milvus:{folder}/lite")):
            began = time.perf_counter()
            with contextlib.closing(open_index(name, embedder, create=True)) as store:
                for document in articles.values():
                    store.put(document)
                store.view()
            added = time.perf_counter() - began
            store = stack.enter_context(contextlib.closing(open_index(name, embedder)))
            print(f"{label}: {store.size()}, added in {added:.0f} s", file=sys.stderr)
            rows.append(f"| {label} | {measured(store, asked)} |")
            engine = ArticleQA(store, load_reader(), Calibration.load(BUNDLED))
            answers.append(
                [(a.text, a.document, a.start) for a in engine.answer_batch(q.question for q in asked)]
            )
        print("| index | recall@" + " | @".join(map(str, DEPTHS)) + " | p50 ms | p95 ms |")
        print("|---|" + "---:|" * (len(DEPTHS) + 2))
        print("\n".join(rows))
        same = np.mean([ours == theirs for ours, theirs in zip(*answers, strict=True)])
        print(f"\n{same:.1%} of {len(asked)} answers are the same.")


def measured(store: Store, asked: list[GoldQuestion]) -> str:
    """The cells of a row: recall in per cent at each depth, and the time of retrieving in milliseconds."""
    ranks, seconds = [], []
    for number, question in enumerate(asked):
        began = time.perf_counter()
        found = store.steadily(lambda view, text=question.question: retrieve(view, text, DEPTH))
        if number:  # the first one loads what is on disk
            seconds.append(time.perf_counter() - began)
        if not question.is_impossible:
            ranks.append(rank(found, question))
    recalls = [f"{np.mean(np.array(ranks) < depth):.1%}" for depth in DEPTHS]
    times = [f"{1000 * value:.1f}" for value in np.percentile(seconds, (50, 95))]
    return " | ".join([*recalls, *times])


def rank(found: list[Retrieved], question: GoldQuestion) -> int:
    """Of the first passage, from 0, that holds a gold span whole; far off where there is none."""
    for number, hit in enumerate(found):
        passage = hit.passage
        if passage.document_id == question.document.id and any(
            passage.start <= start and end <= passage.end for start, end in question.spans
        ):
            return number
    return 10**9


if __name__ == "__main__":
    main()
