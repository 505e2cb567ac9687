"""`python -m tests.bench.shelf GOLD...`: an index on disk as it grows, and how fast it is built.

- Building: the passages of the articles added to a shelf, in passages a second, against sentence-transformers
  embedding the same passages in float32, in turns.
- Growth: shelves of so many passages, whose text is that of the articles, recombined by the sentence, and
  whose vectors are those of the articles' passages, each mixed with a neighbour's and noise; a fresh process
  opens each and retrieves for questions of the gold sets. Recall is the share of the ten nearest vectors that
  are among the ten found. Linux only, for the resident memory.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from index import Document, split_passages
from index.embedder import load_embedder
from index.retriever import DEPTH, retrieve
from index.sentences import split_sentences
from index.shelf import Shelf
from qa.gold import GoldQuestion, read_gold

SIZES = (1_000, 100_000, 1_000_000)  # passages
QUESTIONS = 300
BASE = 8_000  # passages at most that are embedded
DOCUMENT = 20  # paragraphs of a document of the larger shelves
NEAR = 10  # passages of the same article, mostly, that one is mixed with
NOISE = 0.25  # length of what is added to a mixed unit vector
BUILT = 12  # articles that the building is timed on
AT_ONCE = 50_000  # vectors compared at once


def main() -> None:
    """Run the benchmark."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("gold", nargs="+", help="gold sets whose articles and questions are used")
    command.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    command.add_argument("--folder", type=Path, help="where the shelves are made and kept")
    options = command.parse_args()
    if options.gold[0] == "measure":
        print(json.dumps(measure(Path(options.gold[1]), Path(options.gold[2]))))
        return
    questions = [question for path in options.gold for question in read_gold(path)]
    articles = list({question.document.id: question.document for question in questions}.values())
    random.Random(1).shuffle(articles)
    building(articles[:BUILT])
    with tempfile.TemporaryDirectory() as temporary:
        growth(questions, articles, options.sizes, options.folder or Path(temporary))


def building(articles: list[Document]) -> None:
    """Print how fast a shelf is built, and how fast a peer only embeds."""
    from index.export_embedder import original_weights  # noqa: PLC0415  # these two import torch
    from index.sentence_transformer import SentenceTransformerEmbedder  # noqa: PLC0415

    passages = [passage.text for article in articles for passage in split_passages(article)]
    with tempfile.TemporaryDirectory() as folder:
        peer = SentenceTransformerEmbedder(str(original_weights()))
        embedder = load_embedder()

        def build() -> None:
            shelf = Shelf(Path(tempfile.mkdtemp(dir=folder)), embedder, create=True)
            for article in articles:
                shelf.put(article)
            shelf.view()

        rates: dict[str, list[float]] = {"built": [], "embedded": [], "peer": []}
        ways: dict[str, Callable[[], Any]] = {
            "built": build,
            "embedded": lambda: embedder.encode(passages),
            "peer": lambda: peer.encode(passages),
        }
        for _ in range(3):
            for name, way in ways.items():
                began = time.perf_counter()
                way()
                rates[name].append(len(passages) / (time.perf_counter() - began))
    built, embedded, peers = (statistics.median(rates[name]) for name in ways)
    print(f"{len(articles)} articles, {len(passages):,} passages; passages a second, median of 3:")
    print(f"  split, embedded, stored and made searchable  {built:8.0f}")
    print(f"  embedded only                                {embedded:8.0f}")
    print(f"  embedded by sentence-transformers, float32   {peers:8.0f}")
    print(
        f"  a shelf is built {built / peers:.1f} times as fast as sentence-transformers embeds\n", flush=True
    )


def growth(questions: list[GoldQuestion], articles: list[Document], sizes: list[int], folder: Path) -> None:
    """Print what each size costs."""
    embedder = load_embedder()
    texts = list(dict.fromkeys(p.text for article in articles for p in split_passages(article)))[:BASE]
    vectors = embedder.encode(texts)
    asked = [question.question for question in random.Random(2).sample(questions, QUESTIONS)]
    print(
        "passages  build s  search s  disk MB  open s  RSS MB  p50 ms  p95 ms  dense  BM25  recall  vectors"
    )
    for size in sizes:
        shelf = Shelf(folder / f"{size}", embedder, create=True)
        began = time.perf_counter()
        exact = fill(shelf, size, texts, vectors, np.concatenate([embedder.encode([each]) for each in asked]))
        stored = time.perf_counter()
        kind = shelf.view().snapshot.vectors.kind
        searchable = time.perf_counter()
        disk = sum(path.stat().st_size for path in shelf.folder.rglob("*") if path.is_file()) / 1e6
        shelf.close()
        asked_file = folder / f"{size}.json"
        asked_file.write_text(json.dumps({"questions": asked, "exact": exact}))
        command = [
            sys.executable,
            "-m",
            "tests.bench.shelf",
            "measure",
            str(shelf.folder),
            str(asked_file),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        print(
            f"{found['passages']:8,} {stored - began:8.0f} {searchable - stored:9.1f} {disk:8.0f}"
            f" {found['open']:7.2f} {found['rss']:7.0f} {found['p50']:7.1f} {found['p95']:7.1f}"
            f" {found['dense']:6.1f} {found['words']:5.1f} {found['recall']:7.3f}  {kind}",
            flush=True,
        )


def fill(
    shelf: Shelf, size: int, texts: list[str], vectors: np.ndarray, asked: np.ndarray
) -> list[list[int]]:
    """Fill a shelf up to a size; returns the numbers of the ten passages nearest to each question."""
    rng = np.random.default_rng(5)
    sentences = [[text[a:b] for a, b in split_sentences(text)] for text in texts]
    shelf.database._sql.execute("PRAGMA synchronous = OFF")  # only here: nobody minds if the power fails
    best = np.full((len(asked), 10), -1.0), np.full((len(asked), 10), -1)
    waiting: list[np.ndarray] = []
    held = number = 0
    while held < size:
        first = rng.integers(len(texts), size=DOCUMENT)
        near = rng.integers(-NEAR, NEAR + 1, size=DOCUMENT)
        pairs = np.stack([first, (first + near) % len(texts)], axis=1)
        paragraphs = [
            " ".join([*sentences[i][: len(sentences[i]) // 2 + 1], *sentences[j][len(sentences[j]) // 2 :]])
            for i, j in pairs
        ]
        document = Document.from_text("\n\n".join(paragraphs), f"{number}.txt", f"/bench/{number}.txt")
        passages = split_passages(document)[: size - held]
        chosen = pairs[np.arange(len(passages)) % DOCUMENT]
        noise = rng.normal(size=(len(passages), vectors.shape[1])) * NOISE / vectors.shape[1] ** 0.5
        mixed = 0.6 * vectors[chosen[:, 0]] + 0.4 * vectors[chosen[:, 1]]
        mixed = mixed / np.linalg.norm(mixed, axis=1, keepdims=True) + noise
        mixed = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float16)
        if shelf.database.insert(document, passages, mixed):
            waiting.append(mixed)
            held += len(passages)
            number += 1
        if held >= size or sum(map(len, waiting)) >= AT_ONCE:
            block = np.concatenate(waiting).astype(np.float32)
            best = nearer(best, asked @ block.T, held - len(block))
            waiting = []
    numbers: list[list[int]] = best[1].tolist()
    return numbers


def nearer(
    best: tuple[np.ndarray, np.ndarray], scores: np.ndarray, first: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ten best so far, of scores and numbers, with those of a further block."""
    top = np.argpartition(-scores, min(10, scores.shape[1] - 1), axis=1)[:, :10]
    both = np.hstack([best[0], np.take_along_axis(scores, top, 1)]), np.hstack([best[1], top + first])
    order = np.argsort(-both[0], axis=1)[:, :10]
    return np.take_along_axis(both[0], order, 1), np.take_along_axis(both[1], order, 1)


def measure(folder: Path, asked: Path) -> dict[str, float]:
    """Open a shelf in this process and retrieve for the questions."""
    given = json.loads(asked.read_text())
    embedder = load_embedder()
    began = time.perf_counter()
    view = Shelf(folder, embedder).view()
    opened = time.perf_counter() - began
    times: list[float] = []
    dense: list[float] = []
    words: list[float] = []
    hits = 0
    for question, exact in zip(given["questions"], given["exact"], strict=True):
        times.append(_timed(lambda question=question: retrieve(view, question, 5)))
        dense.append(_timed(lambda question=question: view.search_vectors(question, DEPTH)))
        words.append(_timed(lambda question=question: view.search_words(question, DEPTH)))
        hits += len(set(exact) & set(view.search_vectors(question, 10)[0].tolist()))
    return {
        "passages": len(view.passages),
        "open": opened,
        "rss": int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024,
        "p50": statistics.median(times),
        "p95": statistics.quantiles(times, n=20)[-1],
        "dense": statistics.median(dense),
        "words": statistics.median(words),
        "recall": hits / sum(map(len, given["exact"])),
    }


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
