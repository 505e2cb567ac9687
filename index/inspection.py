"""Whether a shelf is what was put into it, and what can be made anew where it is not."""

from __future__ import annotations

import numpy as np

from index.database import Database
from index.documents import Document
from index.embedder import Embedder
from index.errors import InputError
from index.passages import split_passages
from index.snapshot import damage
from index.store import encode

PROBE = "The quick brown fox jumps over the lazy dog."
SAME_MODEL = 0.98  # cosine of two vectors of a text: int8 and float32 of one model differ by less


def check(database: Database, embedder: Embedder, sample: int) -> list[str]:
    """What is wrong with the database or what is derived from it, a sentence each; nothing if all is well.

    Args:
        database: of a shelf.
        embedder: that it was made with.
        sample: documents whose first passage is embedded again, to see that its vector is right.
    """
    problems = [f"The database is damaged: {line}." for line in database.damage()]
    for number, (first, identity) in enumerate(database.ids()):
        if not _has_its_text(database, first):
            problems.append(f"The document {identity} has a text that is not the one it was added with.")
        elif problem := _unsearchable(database, first, embedder if number < sample else None):
            problems.append(f"The document {identity} has {problem}.")
    return problems + damage(database)


def repair(database: Database, embedder: Embedder) -> list[str]:
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


def _has_its_text(database: Database, first: int) -> bool:
    """Whether a document's text is the one it is known by; true of one that is gone."""
    try:
        row = database.row(first, bounds=False)
        return row is None or Document.from_text(row.document.text).id == row.document.id
    except InputError:
        return False


def _unsearchable(database: Database, first: int, embedder: Embedder | None) -> str:
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
