"""`python -m tests.bench.planning`: what 10 million to 1 billion passages need, by what one machine does.

Prints the tables of planning.md; with `--measure GOLD...` what it takes one core to search a segment's graph.
Each constant says where it comes from: a command of this repository, a public document (a letter, listed in
planning.md), or that it is assumed. The formulas are the functions.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Sequence
from math import ceil

import faiss
import numpy as np

from index import split_passages
from index.embedder import load_embedder
from qa.gold import read_gold
from tests.bench.shelf import NEAR, NOISE

SIZES = (10_000_000, 100_000_000, 1_000_000_000)  # passages
LOADS = (10, 1_000)  # questions a second

# Measured on two cores with AVX-512 VNNI.
EMBEDDED = 391 / 2  # passages a second and core, read to stored: tests.bench.shelf
WRITTEN = 7_000  # passages a second that the one writing process keeps up with: tests.bench.bulk
PASSAGE = 505  # characters, the mean of the articles of the SQuAD part and SQuADShifts' new Wikipedia
WORDS = 58  # different words of a passage, the same mean
DIMENSIONS = 384  # of all-MiniLM-L6-v2
SHELF = {100_000: (4.4, 179), 1_000_000: (17.2, 580)}  # ms of vector search, MB resident: tests.bench.shelf
SHELF_DISK = 1.7  # GB for a million passages: tests.bench.shelf
READ = 1 / 0.017  # questions a second that two cores read one by one: tests.bench.speed
READ_TOGETHER = 84  # the same, many at a time

# Cited, or assumed.
LINKS = 32 * 4  # bytes a vector, of an HNSW graph: [a]
CODES = 48  # bytes of a vector as product quantisation, one for 8 of the 384 dimensions: assumed
KEY = 8  # bytes of a passage's number
SEGMENT = 1024 * 2**20  # bytes of vectors in a segment of Milvus: [b]
NODE = 64  # GB of a query node, with 8 cores: one of 19 that served 115 million vectors [c]
NODE_CORES = 8  # of it: [c]
FULL = 0.7  # of its memory that is planned for: assumed, as Milvus loads nothing above 0.9 [d]
SEGMENT_SEARCH = 0.0005  # seconds and core to search one segment's graph: assumed from --measure
POSTING = 8  # bytes of a word in a passage, in an index for BM25 in memory: assumed
BUSY = 0.6  # of a process's rate that is planned for, so that few questions wait: assumed
WORKERS = (16, 256)  # cores that embed: assumed

# What `--measure` takes.
GRAPHS = (20_000, 40_000, 80_000, 160_000)  # vectors
LINKED = 16  # links of a vector; twice as many in the lowest layer
EF = (200, 64)  # candidates while building and searching
ASKED = 500  # questions

KINDS: dict[str, float] = {  # bytes of a vector and what finds it
    "float32, HNSW": 4 * DIMENSIONS + LINKS + KEY,
    "float16, HNSW": 2 * DIMENSIONS + LINKS + KEY,
    "int8, HNSW": DIMENSIONS + LINKS + KEY,
    "int8, inverted lists": DIMENSIONS + KEY,
    "product quantised, inverted lists": CODES + KEY,
}


def hours(passages: int, rate: float) -> float:
    """Hours that so many passages take at a rate a second."""
    return passages / rate / 3600


def memory(passages: int, bytes_each: float) -> float:
    """GB."""
    return passages * bytes_each / 1e9


def nodes(gigabytes: float) -> int:
    """Query nodes that hold so much, once."""
    return ceil(gigabytes / (NODE * FULL))


def segments(passages: int) -> int:
    """Segments of Milvus, each of which is searched for every question."""
    return ceil(passages * 4 * DIMENSIONS / SEGMENT)


def search_nodes(passages: int, questions: int) -> int:
    """Query nodes whose cores search all segments so many times a second."""
    return ceil(questions * segments(passages) * SEGMENT_SEARCH / (NODE_CORES * BUSY))


def readers(questions: int, rate: float) -> int:
    """Processes of two cores that answer so many questions a second."""
    return ceil(questions / (rate * BUSY))


def shelf(passages: int) -> tuple[float, float, float]:
    """Of such a shelf: ms of vector search, GB resident, GB on disk; in line with what was measured."""
    (fewer, (early, small)), (more, (late, large)) = SHELF.items()
    share = (passages - fewer) / (more - fewer)
    return (
        early + share * (late - early),
        (small + share * (large - small)) / 1000,
        passages / 1e6 * SHELF_DISK,
    )


def main() -> None:
    """Print the tables, or measure."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--measure", nargs="+", metavar="GOLD", help="gold sets whose passages are mixed")
    options = command.parse_args()
    if options.measure:
        measure(options.measure)
    else:
        tables()


def measure(gold: Sequence[str]) -> None:
    """Print how long FAISS searches HNSW graphs, of vectors mixed as those of tests.bench.shelf are."""
    questions = [question for path in gold for question in read_gold(path)]
    documents = {question.document.id: question.document for question in questions}.values()
    embedder = load_embedder()
    base = embedder.encode([passage.text for each in documents for passage in split_passages(each)])
    asked = embedder.encode([question.question for question in random.Random(2).sample(questions, ASKED)])
    rng = np.random.default_rng(5)
    faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
    graph = faiss.IndexHNSWFlat(DIMENSIONS, LINKED, faiss.METRIC_INNER_PRODUCT)
    exact = faiss.IndexFlatIP(DIMENSIONS)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = EF
    print("| vectors | ms | recall@10 |\n|---|---|---|")
    for size in GRAPHS:
        first = rng.integers(len(base), size=size - graph.ntotal)
        second = np.clip(first + rng.integers(-NEAR, NEAR + 1, size=len(first)), 0, len(base) - 1)
        mixed = 0.6 * base[first] + 0.4 * base[second]
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        mixed += rng.normal(size=mixed.shape).astype(np.float32) * NOISE / DIMENSIONS**0.5
        mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
        faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
        graph.add(mixed)
        exact.add(mixed)
        _, best = exact.search(asked, 10)
        faiss.omp_set_num_threads(1)
        began = time.perf_counter()
        _, found = graph.search(asked, 10)
        took = 1000 * (time.perf_counter() - began) / len(asked)
        recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, best, strict=True)])
        print(f"| {size:,} | {took:.2f} | {recall:.3f} |", flush=True)


def tables() -> None:
    """Print the tables."""
    table("Embedding, hours", {
        **{f"{cores} cores": _each(lambda n, cores=cores: f"{hours(n, cores * EMBEDDED):,.1f}")
           for cores in (2, *WORKERS)},
        "the one process that writes a shelf, at least": _each(lambda n: f"{hours(n, WRITTEN):,.1f}"),
        "cores it keeps up with": [f"{WRITTEN / EMBEDDED:.0f}"] * len(SIZES),
    })  # fmt: skip
    table("One shelf, in line with 100,000 and 1,000,000 passages", {
        "vector search, ms a question and core": _each(lambda n: f"{shelf(n)[0]:,.0f}"),
        "resident, GB": _each(lambda n: f"{shelf(n)[1]:,.1f}"),
        "on disk, GB": _each(lambda n: f"{shelf(n)[2]:,.0f}"),
    })  # fmt: skip
    table("Memory, GB", {
        **{kind: _each(lambda n, size=size: f"{memory(n, size):,.1f}") for kind, size in KINDS.items()},
        "BM25 in memory": _each(lambda n: f"{memory(n, WORDS * POSTING):,.1f}"),
        "texts, on disk": _each(lambda n: f"{memory(n, PASSAGE):,.1f}"),
    })  # fmt: skip
    table("Query nodes of Milvus that hold the vectors and BM25 once", {
        kind: _each(lambda n, size=size: f"{nodes(memory(n, size + WORDS * POSTING)):,}")
        for kind, size in KINDS.items()
    })  # fmt: skip
    table("Query nodes that search", {
        "segments, all searched for a question": _each(lambda n: f"{segments(n):,}"),
        **{f"nodes for {load:,} questions a second": _each(lambda n, load=load: f"{search_nodes(n, load):,}")
           for load in LOADS},
    })  # fmt: skip
    table("Readers, processes of two cores, whatever the number of passages", {
        f"{load:,} questions a second": [str(readers(load, READ)), str(readers(load, READ_TOGETHER))]
        for load in LOADS
    }, ("one by one", "many at a time"))  # fmt: skip


def table(title: str, rows: dict[str, list[str]], columns: Sequence[str] = ()) -> None:
    """Print a table in Markdown."""
    columns = columns or [f"{size // 1_000_000:,} million" for size in SIZES]
    print(f"### {title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, cells in rows.items():
        print(f"| {name} | {' | '.join(cells)} |")
    print()


def _each(cell: Callable[[int], str]) -> list[str]:
    return [cell(size) for size in SIZES]


if __name__ == "__main__":
    main()
