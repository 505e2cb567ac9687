"""The database of a shelf: documents with their passages' bounds and vectors, in one SQLite file.

Passages are known by numbers: those of a document follow each other, and its first one's names its row. A
row is never changed but in the name of its file, only put in and deleted, so what was read of it stays true,
and a reader needs no transaction to be consistent. One that meets too many writes to keep up holds them off
for once (`Database.still`). A write is one transaction, so a process killed at any point leaves the shelf as
it was before or after.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.connection import WAIT, Connection
from index.documents import Document, whole_path
from index.errors import InputError
from index.fingerprint import check_schema, damaged_document, no_index
from index.passages import Passage, page_of
from index.store import Entry

DATABASE = "index.sqlite"
WRITER = ".writer"
SCHEMA = 2
_TABLES = """
CREATE TABLE meta (
  schema INTEGER NOT NULL,
  shelf TEXT NOT NULL,
  generation INTEGER NOT NULL,
  next INTEGER NOT NULL,
  probe BLOB NOT NULL
);
CREATE TABLE documents (
  first INTEGER PRIMARY KEY,
  passages INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  source TEXT NOT NULL,
  characters INTEGER NOT NULL,
  text TEXT NOT NULL,
  page_starts TEXT NOT NULL,
  bounds BLOB NOT NULL,
  vectors BLOB NOT NULL
);
CREATE INDEX documents_spans ON documents (first, passages, id);
CREATE TABLE sources (
  source TEXT PRIMARY KEY,
  first INTEGER NOT NULL REFERENCES documents (first) ON DELETE CASCADE
);
CREATE INDEX sources_first ON sources (first);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A document as it is stored; its passages are made when they are asked for, as it may have thousands.

    Attributes:
        first: the number of its first passage; the others follow.
        document: itself.
        bounds: (start, end) of each passage, int64, [passages, 2].
    """

    first: int
    document: Document
    bounds: np.ndarray

    def passage(self, number: int) -> Passage:
        """The passage with that number."""
        start, end = self.bounds[number - self.first].tolist()
        document = self.document
        return Passage(document.id, start, end, document.text[start:end], page_of(document, start))

    def passages(self) -> list[Passage]:
        """All its passages."""
        return [self.passage(self.first + k) for k in range(len(self.bounds))]


@dataclass(frozen=True, slots=True)
class State:
    """What is stored at one generation.

    Attributes:
        generation: a number that every write raises.
        spans: of each document, the number of its first passage, of its passages, and the digest of its text,
            int64, [documents, 3], in the order of the numbers.
    """

    generation: int
    spans: np.ndarray


class Database:
    """The database in a shelf's folder. May be shared by threads.

    Args:
        folder: of the shelf.
        probe: the vector that shows what the shelf was made with, where it is to be made; None: it is there.
        wait: seconds for another process that reads or writes.

    Raises:
        InputError: there is none, or it is damaged or of another version.
    """

    def __init__(self, folder: Path, probe: np.ndarray | None = None, wait: float = WAIT) -> None:
        self.folder = folder
        if not str(folder).isprintable():
            raise InputError(
                f"{str(folder)!r} has characters in its name that are none: name another folder."
            )
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file: name a folder for the index.")
        self._sql = Connection(folder / DATABASE, folder / WRITER, wait)
        with self._sql.said():
            if probe is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._connect(probe)
            self.shelf, vector = self._sql.execute("SELECT shelf, probe FROM meta").fetchone()
        self.probe = np.frombuffer(vector, np.float16).astype(np.float32)

    def generation(self) -> int:
        """A number that every write raises."""
        with self._sql.said():
            if self._sql.is_replaced():
                self._connect()
            shelf, generation = self._sql.execute("SELECT shelf, generation FROM meta").fetchone()
        if shelf != self.shelf:
            raise InputError(f"{self.folder} was replaced by another index: open that one.")
        return int(generation)

    def reach(self) -> None:
        """See that it can be read."""
        self.generation()

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Hold off the writers of all processes and other threads, which wait; not to take long."""
        self.generation()  # of the file that is there now
        with self._sql.said(), self._sql.transaction("DEFERRED"):
            self._sql.execute("SELECT generation FROM meta").fetchone()  # only now is it held
            yield

    def state(self) -> State:
        """What is stored now."""
        with self.still(), self._sql.said():
            (generation,) = self._sql.execute("SELECT generation FROM meta").fetchone()
            rows = self._sql.execute("SELECT first, passages, id FROM documents ORDER BY first").fetchall()
        spans = [(first, passages, _digest(identity)) for first, passages, identity in rows]
        return State(generation, np.array(spans, np.int64).reshape(-1, 3))

    def ids(self) -> list[tuple[int, str]]:
        """Of each document, the number of its first passage and its id, in the order they came."""
        with self._sql.said():
            return self._sql.execute("SELECT first, id FROM documents ORDER BY first").fetchall()

    def entries(self) -> list[Entry]:
        """All documents, without their texts, in the order they came."""
        columns = "SELECT id, title, characters, page_starts, source FROM documents"
        with self._sql.said():
            rows = self._sql.execute(f"{columns} ORDER BY first").fetchall()
        return [
            Entry(
                identity, title, characters, page_starts.count(",") + 1 if len(page_starts) > 2 else 0, source
            )
            for identity, title, characters, page_starts, source in rows
        ]

    def find(self, name: str) -> str | None:
        """The id of the document with that id or from that file."""
        with self._sql.said():
            found = self._sql.execute(  # as it is named first, as earlier versions kept `..`
                "SELECT id FROM documents WHERE id = ?1 OR first = coalesce("
                "(SELECT first FROM sources WHERE source = ?1),"
                " (SELECT first FROM sources WHERE source = ?2))",
                (stored(name), stored(str(whole_path(name)))),
            ).fetchone()
        return found and str(found[0])

    def first(self, identity: str) -> int | None:
        """The number of the first passage of the document with that id."""
        with self._sql.said():
            return self._one("SELECT first FROM documents WHERE id = ?", identity)

    def row(self, first: int, *, bounds: bool = True) -> Row | None:
        """The document whose first passage has that number; None where it is gone.

        Args:
            first: the number.
            bounds: whether those of its passages are needed; without them they may be damaged.

        Raises:
            InputError: it is damaged.
        """
        columns = "SELECT id, title, source, text, page_starts, bounds FROM documents"
        with self._sql.said():
            found = self._sql.execute(f"{columns} WHERE first = ?", (first,)).fetchone()
        if found is None:
            return None
        identity, title, source, text, page_starts, pairs = found
        try:
            document = Document(identity, title, source, text, tuple(json.loads(page_starts)))
            return Row(first, document, np.frombuffer(pairs if bounds else b"", np.int64).reshape(-1, 2))
        except (ValueError, TypeError):
            raise self._damaged(title) from None

    def vectors(self, first: int) -> np.ndarray | None:
        """The vectors of its passages, float32, [passages, dimension]; None where it is gone.

        Raises:
            InputError: they are damaged.
        """
        with self._sql.said():
            found = self._sql.execute(
                "SELECT title, passages, vectors FROM documents WHERE first = ?", (first,)
            ).fetchone()
        if found is None:
            return None
        title, passages, vectors = found
        try:
            matrix = np.frombuffer(vectors, np.float16).reshape(passages, len(self.probe))
        except (ValueError, TypeError):
            raise self._damaged(title) from None
        return matrix.astype(np.float32)

    def damage(self) -> list[str]:
        """What SQLite finds wrong with its file."""
        with self._sql.said():
            return [line for (line,) in self._sql.execute("PRAGMA integrity_check") if line != "ok"]

    def holds(self, document: Document) -> bool:
        """Whether the document is here and its file, if it has one, had this text before."""
        with self._sql.said():
            first = self._one("SELECT first FROM sources WHERE source = ?", key_of(document))
            return first is not None and first == self.first(document.id)

    def insert(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> bool:
        """Put a document in, in the place of what the same file held before.

        Args:
            document: whose source, if a whole path, names its file; files of one text are one document.
            passages: of it, at least one.
            vectors: of the passages, [passages, dimension]; kept as float16.

        Returns:
            whether what can be found changed.
        """
        with self._writing():
            source = key_of(document)
            before = self._one("SELECT first FROM sources WHERE source = ?", source)
            first = self.first(document.id)
            new = first is None
            if first is None:
                first = self._put(document, passages, vectors)
            self._sql.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (source, first))
            left = before is not None and before != first
            return (self._leave(before) if left else False) or new

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by their ids, all at once; unknown ones are passed over. Returns how many."""
        with self._writing():
            known = [first for each in ids if (first := self.first(each)) is not None]
            self._sql.executemany("DELETE FROM documents WHERE first = ?", [(first,) for first in known])
            return len(known)

    def mend(self, first: int, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Give a document passages and vectors made anew, under new numbers; one that is gone stays gone."""
        with self._writing():
            row = self.row(first, bounds=False)
            if row is None:
                return
            sources = self._sql.execute("SELECT source FROM sources WHERE first = ?", (first,)).fetchall()
            self._sql.execute("DELETE FROM documents WHERE first = ?", (first,))
            new = self._put(row.document, passages, vectors)
            self._sql.executemany("INSERT INTO sources VALUES (?, ?)", [(each, new) for (each,) in sources])

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def _connect(self, probe: np.ndarray | None = None) -> None:
        if probe is None and not self._sql.path.is_file():
            raise no_index(self.folder)
        self._sql.open()
        if probe is not None:
            self._create(probe)
        if not self._sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            raise no_index(self.folder)
        (schema,) = self._sql.execute("SELECT schema FROM meta").fetchone() or (0,)
        check_schema(self.folder, schema, SCHEMA)

    def _create(self, probe: np.ndarray) -> None:
        with self._sql.transaction("IMMEDIATE"):
            if self._sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                return
            for statement in _TABLES.split(";"):
                self._sql.execute(statement)
            values = (SCHEMA, uuid.uuid4().hex, probe.astype(np.float16).tobytes())
            self._sql.execute("INSERT INTO meta VALUES (?, ?, 0, 0, ?)", values)

    def _one(self, statement: str, value: str | int) -> int | None:
        found = self._sql.execute(statement, (value,)).fetchone()
        return found and int(found[0])

    def _put(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> int:
        """Put a row in; returns the number of its first passage."""
        (first,) = self._sql.execute("SELECT next FROM meta").fetchone()
        bounds = np.array([(passage.start, passage.end) for passage in passages], np.int64)
        values = (
            first, len(passages), document.id, document.title, stored(document.source), len(document.text),
            document.text, json.dumps(document.page_starts), bounds.tobytes(),
            vectors.astype(np.float16).tobytes(),
        )  # fmt: skip
        self._sql.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        self._sql.execute("UPDATE meta SET next = next + ?", (len(passages),))
        return int(first)

    def _leave(self, first: int | None) -> bool:
        """A file has no longer the text of this document: delete it, unless another file has that text."""
        others = self._sql.execute("SELECT source FROM sources WHERE first = ? LIMIT 1", (first,)).fetchone()
        if others is None:
            self._sql.execute("DELETE FROM documents WHERE first = ?", (first,))
            return True
        self._sql.execute("UPDATE documents SET source = ? WHERE first = ?", (*others, first))
        return False

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, alone among all processes; it raises the generation."""
        self.generation()  # of the file that is there now
        with self._sql.said(), self._sql.transaction("IMMEDIATE"), self._sql.told():
            yield
            self._sql.execute("UPDATE meta SET generation = generation + 1")

    def _damaged(self, title: str) -> InputError:
        return damaged_document(self.folder, title)


def key_of(document: Document) -> str:
    """What a document is replaced by: its file, or itself where it has none."""
    return stored(document.source) if Path(document.source).is_absolute() else f"#{document.id}"


def stored(source: str) -> str:
    """A path as text; one whose bytes are none is told from others, and still readable."""
    return os.fsencode(source).decode("utf-8", "backslashreplace")


def _digest(identity: str) -> Any:
    """The id of a document, a hexadecimal digest, as a number of 64 bits."""
    return np.uint64(int(identity[:16], 16)).astype(np.int64)
