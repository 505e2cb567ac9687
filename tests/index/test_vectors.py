import numpy as np
import pytest

from index import vectors
from index.vectors import StoredVectors, write

DIMENSION = 128
SIZE = 5  # passages of a document
NEAR = 0.93  # recall, of vectors many of which are about as near as each other


class Documents:
    """Documents of five passages with vectors around some centres, as `Vectors` reads them."""

    def __init__(self, count):
        self.rng = np.random.default_rng(3)
        self.centres = self.rng.normal(size=(20, DIMENSION))
        self.rows = {}
        self.grow(count)

    def grow(self, count):
        firsts = range(SIZE * len(self.rows), SIZE * (len(self.rows) + count), SIZE)
        for first in firsts:
            near = self.centres[self.rng.integers(20, size=SIZE)]
            matrix = near + 0.5 * self.rng.normal(size=near.shape)
            matrix = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)
            self.rows[first] = matrix
        return list(firsts)

    def __call__(self, firsts):
        return ((first, self.rows[first]) for first in firsts)

    def spans(self, firsts):
        return np.array([(first, SIZE) for first in firsts], np.int64)


def numbers(firsts):
    return np.array([first + k for first in firsts for k in range(SIZE)], np.int64)


def recall(stored, documents, firsts, count=10):
    """Share of the nearest vectors that are found."""
    every, matrix = numbers(firsts), np.concatenate([documents.rows[first] for first in firsts])
    shares = []
    for row in list(documents.rows.values())[:50]:
        nearest = every[np.argsort(-(matrix @ row[0]))[:count]]
        hits, scores = stored.search(row[:1], count)
        assert len(set(hits)) == count
        assert set(hits) <= set(every)
        assert list(scores) == sorted(scores, reverse=True)
        shares.append(len(set(nearest) & set(hits)) / count)
    return np.mean(shares)


@pytest.fixture
def few(monkeypatch):
    """Vectors are many above 500 already."""
    monkeypatch.setattr(vectors, "FLAT", 500)


@pytest.mark.parametrize(("count", "least"), [(100, 1.0), (101, NEAR), (800, NEAR)])
def test_the_nearest_are_found(few, tmp_path, count, least):
    documents = Documents(count)
    write(tmp_path, documents.spans(documents.rows), DIMENSION, documents)
    stored = StoredVectors(tmp_path)
    assert len(stored) == SIZE * count
    assert ("lists" in stored.kind) == (count > 100)
    assert recall(stored, documents, list(documents.rows)) >= least


def changed(stored, documents, tmp_path, removed, added):
    folder = tmp_path / f"{len(documents.rows)}-{len(removed)}"
    folder.mkdir()
    if not stored.write_changed(folder, numbers(removed), added, documents):
        return None
    return StoredVectors(folder)


@pytest.mark.parametrize("count", [60, 200])
def test_changes_are_found_and_what_is_removed_is_not(few, tmp_path, count):
    documents = Documents(count)
    write(tmp_path, documents.spans(documents.rows), DIMENSION, documents)
    stored, firsts = StoredVectors(tmp_path), list(documents.rows)
    for step in range(6):  # many enough that they are folded in
        added, removed = documents.grow(3), firsts[step :: len(firsts) // 2][:2]
        firsts = [first for first in firsts if first not in removed] + added
        stored = changed(stored, documents, tmp_path, removed, added)
        assert len(stored) == SIZE * len(firsts)
        assert recall(stored, documents, firsts) >= NEAR
    assert recall(StoredVectors(tmp_path), documents, list(documents.rows)[:count]) >= NEAR


def test_small_changes_leave_the_lists_as_they_are(few, tmp_path):
    documents = Documents(800)
    write(tmp_path, documents.spans(documents.rows), DIMENSION, documents)
    stored = changed(StoredVectors(tmp_path), documents, tmp_path, [0], documents.grow(2))
    assert "10 beside them" in stored.kind
    assert (stored._folder / "vectors.faiss").samefile(tmp_path / "vectors.faiss")
    folded = changed(stored, documents, tmp_path, [5], documents.grow(20))
    assert " 0 beside them" in folded.kind
    assert not (folded._folder / "vectors.faiss").samefile(tmp_path / "vectors.faiss")


def test_what_was_added_lately_can_be_removed_again(few, tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "FOLDED", 0.5)
    documents = Documents(800)
    write(tmp_path, documents.spans(documents.rows), DIMENSION, documents)
    added = documents.grow(2)
    stored = changed(StoredVectors(tmp_path), documents, tmp_path, [0], added)
    again = changed(stored, documents, tmp_path, [added[0], 5], documents.grow(1))
    assert len(again) == SIZE * 800
    assert "10 beside them" in again.kind
    left = [first for first in documents.rows if first not in (0, 5, added[0])]
    assert recall(again, documents, left) >= NEAR


@pytest.mark.parametrize(("count", "more", "fewer"), [(90, 20, 0), (110, 0, 20), (110, 500, 0)])
def test_another_size_needs_them_written_anew(few, tmp_path, count, more, fewer):
    documents = Documents(count)
    write(tmp_path, documents.spans(documents.rows), DIMENSION, documents)
    removed = list(documents.rows)[:fewer]
    assert changed(StoredVectors(tmp_path), documents, tmp_path, removed, documents.grow(more)) is None


def test_none_are_found_where_there_are_none(tmp_path):
    write(tmp_path, np.empty((0, 2), np.int64), DIMENSION, Documents(0))
    stored = StoredVectors(tmp_path)
    assert len(stored) == 0
    assert list(stored.search(np.ones((1, DIMENSION), np.float32), 5)[0]) == []
