"""Whether an index is what was put into it, and what can be made anew where it is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from index.database import Row
from index.documents import Document
from index.embedder import Embedder
from index.errors import InputError
from index.fingerprint import SAME_MODEL
from index.passages import Passage, split_passages
from index.store import encode


class Inspected(Protocol):
    """What holds documents, each known by the number of its first passage."""

    def ids(self) -> list[tuple[int, str]]:
        """Of each document, the number of its first passage and its id, in the order they came."""

    def row(self, first: int, *, bounds: bool = True) -> Row | None:
        """The document whose first passage has that number; None where it is gone.

        Raises:
            InputError: it is damaged; without `bounds` those of its passages may be.
        """

    def vectors(self, first: int) -> np.ndarray | None:
        """The vectors of its passages, float32, [passages, dimension]; None where it is gone."""

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by their ids, all at once; unknown ones are passed over. Returns how many."""

    def mend(self, first: int, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Give a document passages and vectors made anew, under new numbers; one that is gone stays gone."""


def check(database: Inspected, embedder: Embedder, sample: int) -> list[str]:
    """What is wrong with the documents, a sentence each; nothing if all is well.

    Args:
        database: of an index.
        embedder: that it was made with.
        sample: documents whose first passage is embedded again, to see that its vector is right.
    """
    problems = []
    for number, (first, identity) in enumerate(database.ids()):
        if not _has_its_text(database, first):
            problems.append(f"The document {identity} has a text that is not the one it was added with.")
        elif problem := _unsearchable(database, first, embedder if number < sample else None):
            problems.append(f"The document {identity} has {problem}.")
    return problems


def repair(database: Inspected, embedder: Embedder) -> list[str]:
    """Make passages and vectors anew where they are wrong, and delete documents whose text is.

    Returns:
        what was done, a sentence each.
    """
    done = []
    for first, identity in database.ids():
        if not _has_its_text(database, first):
            database.delete([identity])
            done.append(f"The document {identity} was lost, its text is damaged: add its file again.")
        elif _unsearchable(database, first, embedder) and (row := database.row(first, bounds=False)):
            passages = split_passages(row.document)
            vectors = encode(embedder, [passage.text for passage in passages])
            database.mend(first, passages, vectors)
            done.append(f"The document {identity} was made searchable anew.")
    return done


def _has_its_text(database: Inspected, first: int) -> bool:
    """Whether a document's text is the one it is known by; true of one that is gone."""
    try:
        row = database.row(first, bounds=False)
        return row is None or Document.from_text(row.document.text).id == row.document.id
    except InputError:
        return False


def _unsearchable(database: Inspected, first: int, embedder: Embedder | None) -> str:
    """What is wrong with a document's passages or vectors; nothing if they are right, or gone."""
    try:
        row, vectors = database.row(first), database.vectors(first)
    except InputError:
        return "passages or vectors that are none"
    if row is None or vectors is None:
        return ""
    passages = split_passages(row.document)
    if row.passages() != passages or len(vectors) != len(passages):
        return "passages that are not those of its text"
    if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.01):
        return "vectors that are none"
    if embedder and vectors[0] @ embedder.encode([passages[0].text])[0] < SAME_MODEL:
        return "vectors that are not those of its passages"
    return ""
