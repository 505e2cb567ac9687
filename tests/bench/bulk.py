"""`python -m tests.bench.bulk GOLD...`: how fast many files are added, in one process and on a Ray cluster.

The articles of the gold sets are written as files and added to new indexes: by one process on one core, by
one on all cores (what `article-qa index add` does), and by one and two workers of a Ray on this machine. The
ways are taken in turns. A rate is that of a long run: counted when the first few documents are written; what
it takes to begin is told beside it. How fast the writing process alone would go, which bounds a cluster, is
measured on documents of their paragraphs, mixed, with vectors made before, as the shelf grows.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from index import Document, bulk, read_file, split_passages
from index.embedder import load_embedder
from index.onnx_model import THREADS
from index.shelf import Shelf
from qa.gold import read_gold

FILES = 48
LEFT_OUT = 8  # files that are written before the counting begins
TURNS = 3
PARAGRAPHS = 20  # of a document that is written alone
AT_MOST = 50_000  # vectors that are made for these
WRITTEN, TOLD = 200_000, 50_000  # passages on the shelf at the end, and between two rows
ALONE = "one process"


def main() -> None:
    """Run the benchmark and print its table."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("gold", nargs="+", help="gold sets whose articles are added")
    options = command.parse_args()
    if options.gold[0] == "measure":
        measure(Path(options.gold[1]), options.gold[2])
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        articles = {q.document.id: q.document.text for path in options.gold for q in read_gold(path)}
        for number, text in enumerate(sorted(articles.values())[:FILES]):
            (folder / f"{number:04}.txt").write_text(text)
        table(folder)
        writing(folder)


def table(folder: Path) -> None:
    """Measure all ways in turns and print them."""
    cores = len(os.sched_getaffinity(0))
    ways = {
        "one process, 1 core": (ALONE, 1),
        f"one process, {cores} cores": (ALONE, cores),
        "Ray, 1 worker": (bulk.LOCAL, 1),
        "Ray, 2 workers": (bulk.LOCAL, 2),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    starts: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, (way, threads) in ways.items():
            done = subprocess.run(
                [sys.executable, "-m", "tests.bench.bulk", "measure", str(folder), way],
                env=os.environ | {THREADS: str(threads)}, capture_output=True, text=True, check=True,
            )  # fmt: skip
            passages, start, seconds = map(float, done.stdout.split()[-3:])
            rates[name].append(passages / seconds)
            starts[name].append(start)
    one = statistics.median(rates["one process, 1 core"])
    print(
        f"{len(list(folder.iterdir()))} files, {passages:,.0f} passages, {cores} cores, median of {TURNS}\n"
    )
    print("| | passages a second | least to most | times one core | begins after |")
    print("|---|---|---|---|---|")
    for name, found in rates.items():
        rate = statistics.median(found)
        print(
            f"| {name} | {rate:,.0f} | {min(found):,.0f} to {max(found):,.0f} | {rate / one:.2f} "
            f"| {statistics.median(starts[name]):.1f} s |"
        )


def measure(folder: Path, way: str) -> None:
    """Add the files to a new index; prints the passages counted, seconds to the first write, theirs."""
    files = sorted(folder.iterdir())
    bulk.TOGETHER = LEFT_OUT // 2  # so that few files are waited for at both ends
    embedder = load_embedder()
    with tempfile.TemporaryDirectory() as temporary:
        shelf = Shelf(Path(temporary) / "shelf", embedder, create=True)
        began = time.perf_counter()
        if way == ALONE:
            steps: Iterator[object] = (shelf.put(read_file(path)) for path in files)
        else:
            steps = bulk.add(files, bulk.StoreTarget(shelf))
        next(steps)
        first = time.perf_counter()
        for _ in range(LEFT_OUT - 1):
            next(steps)
        before, counted_from = held(shelf), time.perf_counter()
        for _ in steps:
            pass
        seconds = time.perf_counter() - counted_from
        print(held(shelf) - before, first - began, seconds)


def held(shelf: Shelf) -> int:
    """How many passages a shelf holds."""
    return int(shelf.database.state().spans[:, 1].sum())


def writing(folder: Path) -> None:
    """Print how fast documents are written whose vectors are there."""
    rng = random.Random(1)
    paragraphs = [part for path in folder.iterdir() for part in path.read_text().split("\n") if part.strip()]
    embedder = load_embedder()
    vectors = np.random.default_rng(1).normal(size=(AT_MOST, embedder.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    print("\n| passages on the shelf | written a second, since the row before |\n|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        target = bulk.StoreTarget(Shelf(Path(temporary) / "shelf", embedder, create=True))
        number = there = since = 0
        seconds = 0.0
        while there < WRITTEN:
            text = "\n\n".join(rng.sample(paragraphs, PARAGRAPHS))
            document = Document.from_text(text, f"{number}.txt", f"/bench/{number}.txt")
            passages = split_passages(document)
            first = rng.randrange(AT_MOST - len(passages))
            began = time.perf_counter()
            target.insert(document, passages, vectors[first : first + len(passages)])
            seconds += time.perf_counter() - began
            number, there = number + 1, there + len(passages)
            if there - since >= TOLD or there >= WRITTEN:
                print(f"| {there:,} | {(there - since) / seconds:,.0f} |", flush=True)
                since, seconds = there, 0.0


if __name__ == "__main__":
    main()
