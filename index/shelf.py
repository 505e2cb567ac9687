"""A shelf: an index in a folder, which outlives the process and is shared by others.

One SQLite file is the truth: documents with their passages' bounds and vectors, what the vectors were made
with, and a generation number that every write raises. A write is one transaction, so a process killed at any
point leaves the shelf as it was before or after. What is searched (FAISS, BM25) is derived from it and held
in memory, so there is nothing else that could be lost, stale or damaged; other processes' writes are seen at
the next look, and only what they changed is loaded.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from index.documents import Document
from index.embedder import Embedder
from index.errors import InputError, reason
from index.passages import Passage, page_of, split_passages
from index.store import MemoryIndex, Progress, encode

DATABASE = "index.sqlite"
WRITER = "writer.txt"  # who is writing, for those who wait
SCHEMA = 1
WAIT = 30.0  # seconds for another writer to finish
PROBE = "The quick brown fox jumps over the lazy dog."
SAME_MODEL = 0.98  # cosine of two vectors of the probe: int8 and float32 of one model differ by less
_TABLES = """
CREATE TABLE meta (schema INTEGER NOT NULL, generation INTEGER NOT NULL, probe BLOB NOT NULL);
CREATE TABLE documents (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL,
  source TEXT NOT NULL,
  text TEXT NOT NULL,
  page_starts TEXT NOT NULL,
  bounds BLOB NOT NULL,
  vectors BLOB NOT NULL
);
CREATE INDEX documents_source ON documents (source);
"""


class Shelf:
    """The index in a folder.

    Args:
        folder: of the shelf.
        embedder: of passages and questions; the one the shelf was made with.
        create: whether to make the shelf where there is none.
        wait: seconds that a write waits for another process's.

    Raises:
        InputError: there is no shelf, it is damaged, newer than this program, or made with another embedder.
    """

    def __init__(
        self, folder: Path | str, embedder: Embedder, *, create: bool = False, wait: float = WAIT
    ) -> None:
        self.folder = Path(folder)
        self._embedder = embedder
        self._wait = wait
        self._lock = threading.RLock()
        self._generation = -1
        self._view = MemoryIndex(embedder)
        path = self.folder / DATABASE
        if create:
            with self._said():
                self.folder.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise InputError(f"{folder} holds no index: make one with `article-qa index add {folder} FILE`.")
        with self._said():
            self._database = sqlite3.connect(
                path, timeout=wait, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA synchronous = FULL")
            if create:
                self._create()
        self._check_maker()

    def view(self) -> MemoryIndex:
        """All documents as they are now, for one question or more; later changes leave it as it is."""
        with self._lock, self._said():
            if self._now() != self._generation:
                with self._transaction("DEFERRED"):
                    now = self._now()
                    self._load()
                self._generation = now
            return self._view

    def add(self, document: Document, progress: Progress | None = None) -> bool:
        """Add a document, in the place of another version of it from the same file.

        Args:
            document: that was read.
            progress: told how many of how many passages are embedded.

        Returns:
            whether it was new; a document with the same text is not added twice.

        Raises:
            InputError: another process writes for too long, or the disk is full or cannot be written.
        """
        with self._lock, self._said():
            if self._has(document.id):
                return False
        passages = split_passages(document)  # the long part, during which others read and write
        vectors = encode(self._embedder, [passage.text for passage in passages], progress)
        row = (
            document.id, document.title, document.source, document.text, json.dumps(document.page_starts),
            _bounds(passages), vectors.astype(np.float16).tobytes(),
        )  # fmt: skip
        with self._lock, self._said(), self._writing():
            if self._has(document.id):  # another process was faster
                return False
            if Path(document.source).is_absolute():
                self._database.execute("DELETE FROM documents WHERE source = ?", (document.source,))
            self._database.execute(
                "INSERT INTO documents (id, title, source, text, page_starts, bounds, vectors)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        return True

    def remove(self, document_ids: Iterable[str]) -> int:
        """Remove documents by their ids, all at once; unknown ones are passed over. Returns how many."""
        with self._lock, self._said(), self._writing():
            gone = [(identity,) for identity in document_ids if self._has(identity)]
            self._database.executemany("DELETE FROM documents WHERE id = ?", gone)
            return len(gone)

    def check(self, sample: int = 20) -> list[str]:
        """What is wrong, a sentence each; nothing if all is well.

        Args:
            sample: documents whose first passage is embedded again, to see that its vector is right.
        """
        with self._lock, self._said():
            problems = [
                f"The database is damaged: {line}."
                for (line,) in self._database.execute("PRAGMA integrity_check")
                if line != "ok"
            ]
            for number, (document, passages, vectors) in enumerate(self._rows()):
                problem = self._wrong(document, passages, vectors, embed=number < sample)
                problems += [f"{document.title} ({document.id}) {problem}."] if problem else []
        return problems

    def repair(self) -> int:
        """Make passages and vectors of documents anew where they are wrong; returns of how many."""
        with self._lock, self._said():
            rows = list(self._rows())
            wrong = [d for d, passages, vectors in rows if self._wrong(d, passages, vectors, embed=True)]
            for document in wrong:
                fresh = Document.from_text(
                    document.text, document.title, document.source, document.page_starts
                )
                passages = split_passages(fresh)
                vectors = encode(self._embedder, [passage.text for passage in passages])
                with self._writing():
                    self._database.execute(
                        "UPDATE documents SET id = ?, bounds = ?, vectors = ? WHERE id = ?",
                        (fresh.id, _bounds(passages), vectors.astype(np.float16).tobytes(), document.id),
                    )
        return len(wrong)

    def close(self) -> None:
        """Close the database; views stay usable."""
        self._database.close()

    def _create(self) -> None:
        with self._transaction("IMMEDIATE"):
            if self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
                return
            for statement in _TABLES.split(";"):
                self._database.execute(statement)
            probe = self._embedder.encode([PROBE]).astype(np.float16).tobytes()
            self._database.execute("INSERT INTO meta VALUES (?, 0, ?)", (SCHEMA, probe))

    def _check_maker(self) -> None:
        with self._said():
            schema, probe = self._database.execute("SELECT schema, probe FROM meta").fetchone()
        if schema > SCHEMA:
            raise InputError(f"{self.folder} was made by a newer version: update article-qa to open it.")
        made_with = np.frombuffer(probe, np.float16).astype(np.float32)
        own = self._embedder.encode([PROBE])[0]
        if made_with.shape != own.shape or made_with @ own < SAME_MODEL:
            raise InputError(
                f"{self.folder} was made with another embedder: name that one with --embedder, "
                "or add the files to a new index."
            )

    def _now(self) -> int:
        return int(self._database.execute("SELECT generation FROM meta").fetchone()[0])

    def _has(self, identity: str) -> bool:
        return bool(self._database.execute("SELECT 1 FROM documents WHERE id = ?", (identity,)).fetchone())

    def _load(self) -> None:
        """Bring the view up to date."""
        ids = [identity for (identity,) in self._database.execute("SELECT id FROM documents ORDER BY number")]
        kept = [identity for identity in self._view.documents if identity in set(ids)]
        new = [identity for identity in ids if identity not in self._view.documents]
        view = self._view if len(kept) == len(self._view.documents) else self._view.only(kept)
        if new:
            documents, passages, vectors = zip(*self._rows(new), strict=True)
            view = view.extended(documents, [p for each in passages for p in each], np.concatenate(vectors))
        self._view = view

    def _rows(self, ids: Sequence[str] | None = None) -> Iterator[tuple[Document, list[Passage], np.ndarray]]:
        columns = "SELECT id, title, source, text, page_starts, bounds, vectors FROM documents"
        rows = (
            self._database.execute(f"{columns} ORDER BY number")
            if ids is None
            else (self._database.execute(f"{columns} WHERE id = ?", (each,)).fetchone() for each in ids)
        )
        for identity, title, source, text, page_starts, bounds, vectors in rows:
            document = Document(identity, title, source, text, tuple(json.loads(page_starts)))
            pairs = np.frombuffer(bounds, np.int64).reshape(-1, 2).tolist()
            passages = [
                Passage(identity, start, end, text[start:end], page_of(document, start))
                for start, end in pairs
            ]
            matrix = np.frombuffer(vectors, np.float16).astype(np.float32)
            yield document, passages, matrix.reshape(-1, self._embedder.dimension)

    def _wrong(self, document: Document, passages: list[Passage], vectors: np.ndarray, *, embed: bool) -> str:
        fresh = Document.from_text(document.text, document.title, document.source, document.page_starts)
        if fresh.id != document.id:
            return "has a text that is not the one it was added with"
        if passages != split_passages(fresh) or len(vectors) != len(passages):
            return "has passages that are not those of its text"
        if not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.01):
            return "has vectors that are none"
        if embed and vectors[0] @ self._embedder.encode([passages[0].text])[0] < SAME_MODEL:
            return "has vectors that are not those of its passages"
        return ""

    @contextlib.contextmanager
    def _transaction(self, kind: str) -> Iterator[None]:
        self._database.execute(f"BEGIN {kind}")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, alone among all processes; it raises the generation."""
        writer = self.folder / WRITER
        try:
            self._database.execute("BEGIN IMMEDIATE")
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
            self._database.execute("UPDATE meta SET generation = generation + 1")
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        finally:
            with contextlib.suppress(OSError):
                writer.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _said(self) -> Iterator[None]:
        """What SQLite and the file system raise, as a sentence."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            text = reason(error)
            way = (
                "free some space, nothing that was there is lost"
                if "full" in text
                else "check its permissions"
                if "readonly" in text or "unable to open" in text or isinstance(error, OSError)
                else "it is damaged, add the files to a new index"
            )
            raise InputError(f"{self.folder} cannot be used ({text}): {way}.") from None


def _bounds(passages: Sequence[Passage]) -> bytes:
    return np.array([(passage.start, passage.end) for passage in passages], np.int64).tobytes()
