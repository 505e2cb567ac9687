"""A shelf: an index in a folder, which outlives the process and is shared by others.

One SQLite file is the truth (`index.database`). What is searched is derived from it (`index.snapshot`): each
question sees one state of the shelf, and what other processes wrote is seen by the next question.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from index.connection import WAIT
from index.database import Database, Row
from index.documents import Document
from index.embedder import Embedder
from index.errors import InputError
from index.fingerprint import PROBE, check_embedder
from index.inspection import check, repair
from index.passages import Passage
from index.snapshot import Outdated, Snapshot, damage, is_of, make, newest
from index.store import Entry, Gone, Hits, MemoryIndex, Progress, Size, embedded

BEHIND = 2_000  # passages added, after which their vectors and words are made searchable
TRIES = 3  # to catch up with others' writes, before these have to wait
ENOUGH = 20  # to make a snapshot of one state, where other processes make some too
HELD = 16  # documents that were read last and may be asked for again

T = TypeVar("T")


class ShelfCatalogue(Database):
    """The database of a shelf, with what is said of the shelf."""

    def size(self) -> Size:
        """How many documents and passages there are."""
        spans = self.state().spans
        return Size(len(spans), int(spans[:, 1].sum()))

    def info(self) -> dict[str, str | int]:
        """What describes the shelf, by what it is called."""
        entries = self.entries()
        state = self.state()
        snapshot = newest(self, None)
        return {
            "folder": str(self.folder.absolute()),
            "documents": len(entries),
            "passages": int(state.spans[:, 1].sum()),
            "characters": sum(entry.characters for entry in entries),
            "bytes on disk": _bytes(self.folder),
            "writes": state.generation,
            "dimension of vectors": len(self.probe),
            "vectors": snapshot.vectors.kind if snapshot else "made searchable at the next question",
            "searchable": "up to date"
            if snapshot and snapshot.generation == state.generation
            else "brought up to date at the next question",
        }


class ShelfView:
    """A shelf as it was at one time. It finds what was there, but what was removed since cannot be read.

    Args:
        snapshot: what is searched.
        row: reads a document by the number of its first passage; None where it is gone.
        embedder: of questions.
        database: for the list of documents.
    """

    def __init__(
        self, snapshot: Snapshot, row: Callable[[int], Row | None], embedder: Embedder, database: Database
    ) -> None:
        self.snapshot = snapshot
        self.embedder = embedder
        self._row = row
        self._database = database

    @property
    def state(self) -> object:
        """Another object after every change."""
        return self.snapshot

    @property
    def documents(self) -> Mapping[str, Document]:
        """The documents by their id, in the order they came; read when looked at."""
        return _Documents(self)

    @property
    def passages(self) -> Mapping[int, Passage]:
        """The passages by their number; read when looked at."""
        return _Passages(self.snapshot.spans, self.get)

    def entries(self) -> list[Entry]:
        """What a list of the documents shows, in the order they came."""
        return self._entries

    def search_vectors(self, question: str, count: int) -> Hits:
        """The `count` passages whose vectors are nearest to the question's; scores are cosines."""
        return self.snapshot.vectors.search(self.embedder.encode([question]), count)

    def search_words(self, question: str, count: int) -> Hits:
        """The `count` best passages by BM25; fewer when fewer share a word with the question."""
        return self.snapshot.words.search(question, count)

    def only(self, document_ids: Iterable[str]) -> MemoryIndex:
        """A new index, in memory, of some of these documents; nothing is embedded again."""
        rows = [self.get(self.first(identity)) for identity in document_ids if identity in self.documents]
        matrices = [matrix for row in rows if (matrix := self._database.vectors(row.first)) is not None]
        if len(matrices) < len(rows):
            raise Gone
        empty = MemoryIndex(self.embedder)
        if not rows:
            return empty
        passages = [passage for row in rows for passage in row.passages()]
        return empty.extended([row.document for row in rows], passages, np.concatenate(matrices))

    def joined(self, other: MemoryIndex) -> MemoryIndex:
        """A new index, in memory, of these documents and another's; nothing is embedded again."""
        return self.only(self.documents).joined(other)

    @functools.cached_property
    def firsts(self) -> dict[str, int]:
        """The numbers of the documents' first passages, by their ids, in the order they came."""
        here = set(self.snapshot.spans[:, 0].tolist())
        firsts = {identity: first for first, identity in self._database.ids() if first in here}
        if len(firsts) < len(here):
            raise Gone
        return firsts

    def first(self, identity: str) -> int:
        """The number of a document's first passage.

        Raises:
            Gone: there is no such document, or not any more.
        """
        first = self._database.first(identity)
        if first is None or first not in self.snapshot.spans[:, 0]:
            raise Gone(identity)
        return first

    def get(self, first: int) -> Row:
        """The document whose first passage has that number.

        Raises:
            Gone: it was removed.
        """
        row = self._row(first)
        if row is None:
            raise Gone(first)
        return row

    @functools.cached_property
    def _entries(self) -> list[Entry]:
        firsts = self.firsts
        entries = [entry for entry in self._database.entries() if entry.id in firsts]
        if len(entries) < len(firsts):
            raise Gone
        return entries


class _Documents(Mapping[str, Document]):
    """Looked up one by one, as a question needs few; counted and gone through where they are listed."""

    def __init__(self, view: ShelfView) -> None:
        self._view = view

    def __getitem__(self, identity: str) -> Document:
        return self._view.get(self._view.first(identity)).document

    def __contains__(self, identity: object) -> bool:
        try:
            return isinstance(identity, str) and self._view.first(identity) >= 0
        except KeyError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._view.firsts)

    def __len__(self) -> int:
        return len(self._view.snapshot.spans)


class _Passages(Mapping[int, Passage]):
    def __init__(self, spans: np.ndarray, get: Callable[[int], Row]) -> None:
        self._spans = spans
        self._get = get

    def __getitem__(self, number: int) -> Passage:
        at = int(np.searchsorted(self._spans[:, 0], number, side="right")) - 1
        if at < 0 or number >= self._spans[at, 0] + self._spans[at, 1]:
            raise KeyError(number)
        first = int(self._spans[at, 0])
        return self._get(first).passage(number)

    def __iter__(self) -> Iterator[int]:
        return (number for first, count, _ in self._spans.tolist() for number in range(first, first + count))

    def __len__(self) -> int:
        return int(self._spans[:, 1].sum())


class Shelf:
    """The index in a folder. May be shared by threads.

    Args:
        folder: of the shelf.
        embedder: of passages and questions; the one the shelf was made with.
        create: whether to make the shelf where there is none.
        wait: seconds that a write waits for another process's.

    Raises:
        InputError: there is no shelf, it is damaged, of another version, or made with another embedder.
    """

    def __init__(
        self, folder: Path | str, embedder: Embedder, *, create: bool = False, wait: float = WAIT
    ) -> None:
        self.folder = Path(folder)
        self._embedder = embedder
        probe = embedder.encode([PROBE])[0]
        self.database = ShelfCatalogue(self.folder, probe if create else None, wait)
        check_embedder(folder, self.database.probe, probe)
        self._lock = threading.RLock()
        self._row = functools.lru_cache(HELD)(self.database.row)
        self._view: ShelfView | None = None
        self._behind = 0

    def view(self) -> ShelfView:
        """All documents as they are now, for one question or more.

        Raises:
            InputError: the disk is full, or the database cannot be read.
        """
        with self._lock:
            if not self._view or self._view.snapshot.generation != self.database.generation():
                snapshot = self._caught_up(self._view.snapshot if self._view else None)
                self._view = ShelfView(snapshot, self._row, self._embedder, self.database)
            self._behind = 0
            return self._view

    def steadily(self, ask: Callable[[ShelfView], T]) -> T:
        """What `ask` makes of a view; of a later one where it met a document that was removed meanwhile."""
        for _ in range(TRIES):
            with contextlib.suppress(Gone):
                return ask(self.view())
        with self._lock, self.database.still():
            return ask(self.view())

    def put(self, document: Document, progress: Progress | None = None) -> bool:
        """Add a document, in the place of what its file held before.

        Args:
            document: that was read.
            progress: told how many of how many passages are embedded.

        Returns:
            whether what can be found changed; a document with the same text is not added twice.

        Raises:
            InputError: another process writes for too long, or the disk is full or cannot be written.
        """
        if self.database.holds(document):
            return False
        passages, vectors = embedded(document, self._embedder, progress)  # meanwhile others read and write
        new = self.database.insert(document, passages, vectors)
        self._behind += len(passages)
        if self._behind > BEHIND:  # so that no question has to wait for much to be made searchable
            self.view()
        return new

    def remove(self, document_ids: Iterable[str]) -> int:
        """Remove documents by their ids, all at once; unknown ones are passed over. Returns how many."""
        return self.database.delete(document_ids)

    def check(self, sample: int = 20) -> list[str]:
        """What is wrong, a sentence each, as `index.inspection.check`; nothing if all is well."""
        problems = [f"The database is damaged: {line}." for line in self.database.damage()]
        return problems + check(self.database, self._embedder, sample) + damage(self.database)

    def repair(self) -> list[str]:
        """Mend what is wrong, as `index.inspection.repair`; what was done, a sentence each."""
        return repair(self.database, self._embedder)

    def size(self) -> Size:
        """How many documents and passages there are."""
        return self.database.size()

    def close(self) -> None:
        """Close the database; nothing can be read any more."""
        self.database.close()

    def _caught_up(self, held: Snapshot | None) -> Snapshot:
        for _ in range(TRIES):
            held, whole = self._next(held)
            if held and whole:
                return held
        with self.database.still():  # others may still make snapshots, but of no newer state
            for _ in range(ENOUGH):
                held, whole = self._next(held)
                if held and whole:
                    return held
        raise InputError(
            f"{self.folder} lists documents that it does not hold: run "
            f"`article-qa index check {self.folder} --repair`."
        )

    def _next(self, held: Snapshot | None) -> tuple[Snapshot | None, bool]:
        """A snapshot nearer to what is stored now, and whether it was that."""
        previous = newest(self.database, held)
        state = self.database.state()
        if previous and is_of(previous, state):
            return previous, True
        if previous and previous.generation >= state.generation:
            # An older copy of the database was put back: what comes may have the numbers of what was.
            shutil.rmtree(previous.folder, ignore_errors=True)
            previous = None
        try:
            return make(self.database, state, previous)
        except Outdated:
            return held, False


def _bytes(folder: Path) -> int:
    """Of all files in a folder; what is written anew meanwhile may be missed."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += Path(place, name).stat().st_size
    return total
