"""Vectors on disk, searched by FAISS: all compared while they are few, inverted lists when they are many.

Few is up to `FLAT`: see `python -m tests.bench.shelf` and the table in README.md. Above, vectors are in
inverted lists (Sivic & Zisserman 2003), each component in eight bits, and mapped from the file, so that a
search reads the lists it probes only. Lists are dear to write, so what was added since stands beside them,
compared one by one, and what was removed since is passed over, until both are a share of the whole and are
folded in.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from index.store import Hits

MAIN, RECENT, REMOVED = "vectors.faiss", "recent.faiss", "removed.npy"
FLAT = 20_000  # vectors
FOLDED = 0.02  # of the vectors in lists, that may stand beside them
GROWTH = 2  # times as many lists as there are would be right: they are learned anew
PROBED = 0.4  # of the lists: fewer find fewer than 97 of 100 of what comparing all finds
LEARNED = 40  # vectors for each list that it is learned from, at random
_PARAMETERS: Any = faiss.SearchParametersIVF
MARGIN = 0.3  # by which components may be beyond the range of those learned from
AT_ONCE = 20_000  # vectors, between being read and being put into lists

# The vectors of documents by the numbers of their first passages, with these; less those that are gone.
Vectors = Callable[[Iterable[int]], Iterator[tuple[int, np.ndarray]]]


class StoredVectors:
    """The vectors in a folder, known by their passages' numbers; they are never changed there.

    Args:
        folder: that `write` wrote to.

    Raises:
        RuntimeError, OSError: a file is damaged or missing.
    """

    def __init__(self, folder: Path) -> None:
        faiss.omp_set_num_threads(1)  # see MemoryIndex
        self._folder = folder
        self._main: Any = faiss.read_index(str(folder / MAIN), faiss.IO_FLAG_MMAP)
        self._in_lists = (folder / RECENT).exists()
        if self._in_lists:
            self._recent = faiss.read_index(str(folder / RECENT))
            self._removed = np.load(folder / REMOVED)

    def __len__(self) -> int:
        """How many vectors there are."""
        return int(self._main.ntotal + (self._recent.ntotal - len(self._removed) if self._in_lists else 0))

    @property
    def kind(self) -> str:
        """How they are searched, for a person."""
        if not self._in_lists:
            return "compared one by one"
        return f"{self._main.nlist:,} inverted lists, {self._recent.ntotal:,} beside them"

    def search(self, vector: np.ndarray, count: int) -> Hits:
        """The `count` vectors with the greatest inner product with a vector, [1, dimension]; best first."""
        if not self._in_lists:
            return _hits(self._main, vector, count)
        chosen = faiss.IDSelectorNot(faiss.IDSelectorBatch(self._removed)) if len(self._removed) else None
        parameters = _PARAMETERS(nprobe=int(PROBED * self._main.nlist) + 1, sel=chosen)
        parts = [_hits(self._main, vector, count, parameters), _hits(self._recent, vector, count)]
        numbers, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        best = np.argsort(-scores, kind="stable")[:count]
        return numbers[best], scores[best]

    def write_changed(self, folder: Path, removed: np.ndarray, added: list[int], vectors: Vectors) -> bool:
        """Write these vectors with changes to another folder.

        Args:
            folder: that exists.
            removed: numbers of passages, int64, [n]; those that are not here are passed over.
            added: documents, by their first passages.
            vectors: reads theirs.

        Returns:
            whether it was done: not where there are now too many or too few for the way they are kept.
        """
        new = [(first + np.arange(len(matrix)), matrix) for first, matrix in vectors(added)]
        total = len(self) - len(removed) + sum(len(numbers) for numbers, _ in new)
        if (total > FLAT) != self._in_lists:
            return False
        if not self._in_lists:
            _write_with(self._loaded(MAIN), removed, new, folder / MAIN)
            return True
        if lists(total) > GROWTH * self._main.nlist:
            return False
        recent = self._loaded(RECENT)
        gone = np.union1d(self._removed, np.setdiff1d(removed, _numbers(recent)))
        _write_with(recent, removed, new, folder / RECENT)
        if recent.ntotal + len(gone) <= FOLDED * self._main.ntotal:
            link(self._folder / MAIN, folder / MAIN)
            np.save(folder / REMOVED, gone)
            return True
        main: Any = self._loaded(MAIN)
        numbers = _numbers(recent)
        matrix = recent.reconstruct_batch(numbers) if len(numbers) else np.empty((0, main.d), np.float32)
        _write_with(main, gone, [(numbers, matrix)], folder / MAIN)
        _write_with(_flat(main.d), gone, [], folder / RECENT)
        np.save(folder / REMOVED, np.empty(0, np.int64))
        return True

    def _loaded(self, name: str) -> faiss.Index:
        return faiss.read_index(str(self._folder / name))


def write(folder: Path, spans: np.ndarray, dimension: int, vectors: Vectors) -> None:
    """Write all vectors to a folder anew.

    Args:
        folder: that exists.
        spans: (first, passages, ...) of the documents, int64, [n, 2 or more].
        dimension: of the vectors.
        vectors: reads those of documents.
    """
    total = int(spans[:, 1].sum())
    if total <= FLAT:
        index = _flat(dimension)
    else:
        index = _learned(total, spans, dimension, vectors)
        faiss.write_index(_flat(dimension), str(folder / RECENT))
        np.save(folder / REMOVED, np.empty(0, np.int64))
    waiting: list[tuple[int, np.ndarray]] = []
    held = 0
    for first, matrix in vectors(spans[:, 0].tolist()):
        waiting.append((first, matrix))
        held += len(matrix)
        if held >= AT_ONCE:
            _put(index, waiting)
            waiting, held = [], 0
    _put(index, waiting)
    faiss.omp_set_num_threads(1)
    faiss.write_index(index, str(folder / MAIN))


def lists(total: int) -> int:
    """How many inverted lists are right for so many vectors, as FAISS advises."""
    return int(4 * total**0.5)


def link(source: Path, target: Path) -> None:
    """The same file in another place, or a copy where the file system has no links."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _learned(total: int, spans: np.ndarray, dimension: int, vectors: Vectors) -> faiss.Index:
    """Inverted lists, empty, their centres learned from documents drawn at random."""
    count = lists(total)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, count, faiss.ScalarQuantizer.QT_8bit,
        faiss.METRIC_INNER_PRODUCT,
    )  # fmt: skip
    sample: list[np.ndarray] = []
    held = 0
    for _, matrix in vectors(np.random.default_rng(1).permutation(spans[:, 0]).tolist()):
        sample.append(matrix)
        held += len(matrix)
        if held >= LEARNED * count:
            break
    # Not the differences from the centres, whose range what comes later would leave sooner.
    index.by_residual = False
    index.sq.rangestat_arg = MARGIN
    index.cp.niter = 10
    index.cp.min_points_per_centroid = 1  # no warning: documents are what there is
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    index.train(np.concatenate(sample))
    return index


def _flat(dimension: int) -> faiss.Index:
    return faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))


def _put(index: faiss.Index, new: list[tuple[int, np.ndarray]]) -> None:
    if new:
        numbers = np.concatenate([first + np.arange(len(matrix)) for first, matrix in new])
        index.add_with_ids(np.concatenate([matrix for _, matrix in new]), numbers)


def _write_with(
    index: faiss.Index, removed: np.ndarray, new: list[tuple[np.ndarray, np.ndarray]], path: Path
) -> None:
    if len(removed):
        index.remove_ids(faiss.IDSelectorBatch(removed))
    for numbers, vectors in new:
        if len(numbers):
            index.add_with_ids(vectors, numbers)
    faiss.write_index(index, str(path))


def _numbers(index: Any) -> np.ndarray:
    return faiss.vector_to_array(index.id_map).astype(np.int64)


def _hits(
    index: faiss.Index, vector: np.ndarray, count: int, parameters: faiss.SearchParameters | None = None
) -> Hits:
    count = min(count, index.ntotal)
    if not count:  # faiss asserts
        return np.empty(0, np.int64), np.empty(0, np.float32)
    scores, numbers = index.search(vector, count, params=parameters)
    found = numbers[0] >= 0
    return numbers[0][found], scores[0][found]
