"""The database of a shelf: documents with their passages' bounds and vectors, in one SQLite file.

Passages are known by numbers that are never used twice: those of a document follow each other, and its first
one's names its row. A row is never changed, only put in and deleted, so what was read of it stays true, and a
reader needs no transaction to be consistent. A write is one transaction, so a process killed at any point
leaves the shelf as it was before or after.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index.documents import Document
from index.errors import InputError, reason
from index.passages import Passage, page_of
from index.store import Entry

DATABASE = "index.sqlite"
WRITER = "writer.txt"  # who is writing, for those who wait
SCHEMA = 2
WAIT = 30.0  # seconds for another writer to finish
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
CREATE INDEX documents_source ON documents (source);
CREATE INDEX documents_spans ON documents (first, passages);
"""
_ROW = "SELECT first, id, title, source, text, page_starts, bounds, vectors FROM documents"


@dataclass(frozen=True, slots=True)
class Row:
    """A document as it is stored.

    Attributes:
        first: the number of its first passage; the others follow.
        document: itself.
        passages: of it.
        vectors: of the passages, float32, [passages, dimension].
    """

    first: int
    document: Document
    passages: list[Passage]
    vectors: np.ndarray


@dataclass(frozen=True, slots=True)
class State:
    """What is stored, at one generation: `spans` are (first, passages) of each document, int64, [n, 2]."""

    generation: int
    spans: np.ndarray


class Database:
    """The database in a shelf's folder. May be shared by threads.

    Args:
        folder: of the shelf.
        probe: the vector that shows what the shelf was made with, where it is to be made; None: it is there.
        wait: seconds that a write waits for another process's.

    Raises:
        InputError: there is none, or it is damaged or of another version.
    """

    def __init__(self, folder: Path, probe: np.ndarray | None = None, wait: float = WAIT) -> None:
        self.folder = folder
        self._wait = wait
        self._lock = threading.RLock()
        path = folder / DATABASE
        with self._said():
            if probe is not None:
                folder.mkdir(parents=True, exist_ok=True)
            elif not path.is_file():
                raise InputError(
                    f"{folder} holds no index: make one with `article-qa index add {folder} FILE`."
                )
            self._sql = sqlite3.connect(path, timeout=wait, isolation_level=None, check_same_thread=False)
            self._sql.execute("PRAGMA synchronous = FULL")
            if probe is not None:
                self._create(probe)
            (schema,) = self._sql.execute("SELECT schema FROM meta").fetchone()
        if schema != SCHEMA:
            raise InputError(
                f"{folder} was made by a newer version: update article-qa to open it."
                if schema > SCHEMA
                else f"{folder} was made by an earlier version: add the files to a new index."
            )
        with self._said():
            self.shelf, stored = self._sql.execute("SELECT shelf, probe FROM meta").fetchone()
        self.probe = np.frombuffer(stored, np.float16).astype(np.float32)

    def generation(self) -> int:
        """A number that every write raises."""
        with self._said():
            return int(self._sql.execute("SELECT generation FROM meta").fetchone()[0])

    def state(self) -> State:
        """What is stored now."""
        with self._said(), self._transaction("DEFERRED"):
            rows = self._sql.execute("SELECT first, passages FROM documents ORDER BY first").fetchall()
            return State(self.generation(), np.array(rows, np.int64).reshape(-1, 2))

    def ids(self) -> list[tuple[int, str]]:
        """Of each document, the number of its first passage and its id, in the order they came."""
        with self._said():
            return self._sql.execute("SELECT first, id FROM documents ORDER BY first").fetchall()

    def first(self, identity: str) -> int | None:
        """The number of the first passage of the document with that id."""
        with self._said():
            found = self._sql.execute("SELECT first FROM documents WHERE id = ?", (identity,)).fetchone()
        return found and int(found[0])

    def entries(self) -> list[Entry]:
        """All documents, without their texts, in the order they came."""
        columns = "SELECT id, title, characters, page_starts, source FROM documents"
        with self._said():
            rows = self._sql.execute(f"{columns} ORDER BY first").fetchall()
        return [
            Entry(identity, title, characters, len(json.loads(page_starts)), source)
            for identity, title, characters, page_starts, source in rows
        ]

    def row(self, first: int) -> Row | None:
        """The document whose first passage has that number; None where it is gone."""
        with self._said():
            found = self._sql.execute(f"{_ROW} WHERE first = ?", (first,)).fetchone()
        return found and _row(found)

    def damage(self) -> list[str]:
        """What SQLite finds wrong with its file."""
        with self._said():
            return [line for (line,) in self._sql.execute("PRAGMA integrity_check") if line != "ok"]

    def insert(self, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> bool:
        """Put a document in, in the place of another version of it from the same file.

        Args:
            document: whose source, if a whole path, names its file.
            passages: of it, at least one.
            vectors: of the passages, [passages, dimension]; kept as float16.

        Returns:
            whether it was not there yet.
        """
        with self._said(), self._writing():
            if self.first(document.id) is not None:  # another process was faster
                return False
            if Path(document.source).is_absolute():
                self._sql.execute("DELETE FROM documents WHERE source = ?", (document.source,))
            (first,) = self._sql.execute("SELECT next FROM meta").fetchone()
            self._put(first, document, passages, vectors)
            self._sql.execute("UPDATE meta SET next = next + ?", (len(passages),))
        return True

    def replace(self, old: Row, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Put a document in the place of a damaged row, under numbers of its own."""
        with self._said(), self._writing():
            self._sql.execute("DELETE FROM documents WHERE first = ? OR id = ?", (old.first, document.id))
            (first,) = self._sql.execute("SELECT next FROM meta").fetchone()
            self._put(first, document, passages, vectors)
            self._sql.execute("UPDATE meta SET next = next + ?", (len(passages),))

    def delete(self, ids: Iterable[str]) -> int:
        """Delete documents by their ids, all at once; unknown ones are passed over. Returns how many."""
        with self._said(), self._writing():
            before = self._sql.total_changes
            self._sql.executemany("DELETE FROM documents WHERE id = ?", [(each,) for each in ids])
            return self._sql.total_changes - before

    def close(self) -> None:
        """Close the file."""
        self._sql.close()

    def _create(self, probe: np.ndarray) -> None:
        with self._transaction("IMMEDIATE"):
            if self._sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                return
            for statement in _TABLES.split(";"):
                self._sql.execute(statement)
            values = (SCHEMA, uuid.uuid4().hex, probe.astype(np.float16).tobytes())
            self._sql.execute("INSERT INTO meta VALUES (?, ?, 0, 0, ?)", values)

    def _put(self, first: int, document: Document, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        bounds = np.array([(passage.start, passage.end) for passage in passages], np.int64)
        values = (
            first, len(passages), document.id, document.title, document.source, len(document.text),
            document.text, json.dumps(document.page_starts), bounds.tobytes(),
            vectors.astype(np.float16).tobytes(),
        )  # fmt: skip
        self._sql.execute("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        with self._lock:
            self._sql.execute(f"BEGIN {kind}")
            try:
                yield
            except BaseException:
                self._sql.execute("ROLLBACK")
                raise
            self._sql.execute("COMMIT")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, alone among all processes; it raises the generation."""
        writer = self.folder / WRITER
        with self._lock:
            try:
                self._sql.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                who = writer.read_text() if writer.is_file() else "another process"
                raise InputError(
                    f"{self.folder} has been written to by {who} for {self._wait:g} s: try again later."
                ) from None
            try:
                with contextlib.suppress(OSError):  # a courtesy
                    writer.write_text(f"process {os.getpid()} on {socket.gethostname()}")
                yield
                self._sql.execute("UPDATE meta SET generation = generation + 1")
                self._sql.execute("COMMIT")
            except BaseException:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                raise
            finally:
                with contextlib.suppress(OSError):
                    writer.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """What SQLite and the file system raise, as a sentence; one thread at a time."""
        try:
            with self._lock:
                yield
        except (sqlite3.Error, OSError) as error:
            text = reason(error)
            way = (
                "free some space, nothing that was there is lost"
                if "full" in text or "No space" in text
                else "check its permissions"
                if "readonly" in text or "unable to open" in text or isinstance(error, OSError)
                else "it is damaged, add the files to a new index"
            )
            raise InputError(f"{self.folder} cannot be used ({text}): {way}.") from None


def _row(values: tuple[Any, ...]) -> Row:
    first, identity, title, source, text, page_starts, bounds, vectors = values
    document = Document(identity, title, source, text, tuple(json.loads(page_starts)))
    pairs = np.frombuffer(bounds, np.int64).reshape(-1, 2).tolist()
    passages = [
        Passage(identity, start, end, text[start:end], page_of(document, start)) for start, end in pairs
    ]
    matrix = np.frombuffer(vectors, np.float16).astype(np.float32)
    return Row(first, document, passages, matrix.reshape(len(passages), -1))
