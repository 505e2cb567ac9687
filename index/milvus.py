"""An index over Milvus: Milvus Lite in this process, a server, or a cluster, by the same calls.

What is stored, and why no question sees a document in part, is said in `index.milvus_database`. A view
decides once for each document which version it sees; what it finds of others is dropped, and more asked for.

Milvus can search by vectors and by words in one call, `hybrid_search`, and fuse the two by their ranks.
Answers do not come from that: our retriever adds the scores, which over the passages of an article ranks the
right one first in 6 of 100 questions more (see "Retrieval" in README.md), and an index should answer the same
wherever it is. So the two searches are asked for side by side, and fused by `index.retriever`.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from index.documents import Document
from index.embedder import Embedder
from index.errors import InputError
from index.fingerprint import PROBE, check_embedder, damaged_document
from index.inspection import check, repair
from index.milvus_database import MilvusDatabase, words_of
from index.milvus_rows import Hit, Record
from index.passages import Passage, page_of, split_passages
from index.store import Entry, Gone, Hits, MemoryIndex, Progress, Size, embedded

__all__ = ["MilvusDatabase", "MilvusIndex", "MilvusView"]

HELD = 16  # documents that were read last and may be asked for again
ASKED = 64  # questions whose hits a view keeps, as a question is searched for more than once
SPARE = 10  # passages asked for beyond those wanted, as some may be of versions that do not count
PLACES = 10_000  # passages that were found last, whose places are remembered
MOST = 16_384  # passages that Milvus gives for a question
UNCHANGED, PAUSE = 4, 0.05  # times that a question is asked again of the same, seconds between them
AGAIN = 4  # searches of a view while others write, before another view is made

T = TypeVar("T")


class MilvusView:
    """An index as it was at one time. What was removed since cannot be read.

    Args:
        database: of the index.
        generation: of the database.
        embedder: of questions.
        document: reads a document by its record; None where it is gone.
    """

    def __init__(
        self,
        database: MilvusDatabase,
        generation: str,
        embedder: Embedder,
        document: Callable[[Record], Document | None],
    ) -> None:
        self.generation = generation
        self.embedder = embedder
        self._database = database
        self._document = document
        self._seen: dict[str, Record | None] = {}  # what was decided, by the documents' ids
        self._lock = threading.Lock()
        self._places: dict[int, Hit] = {}  # of the passages found
        self._found = functools.lru_cache(ASKED)(self._search)

    @property
    def state(self) -> object:
        """Another object after every change."""
        return self

    @property
    def documents(self) -> Mapping[str, Document]:
        """The documents by their id, in the order they came; read when looked at."""
        return _Documents(self)

    @property
    def passages(self) -> Mapping[int, Passage]:
        """The passages by their number; read when looked at."""
        return _Passages(self)

    def entries(self) -> list[Entry]:
        """What a list of the documents shows, in the order they came."""
        return [Entry(r.id, r.title, r.characters, r.pages, r.source) for r in self.everything.values()]

    def search_vectors(self, question: str, count: int) -> Hits:
        """The `count` passages whose vectors are nearest to the question's; scores are cosines."""
        return self._found(question, count)[0]

    def search_words(self, question: str, count: int) -> Hits:
        """The `count` best passages by BM25; fewer when fewer share a word with the question."""
        return self._found(question, count)[1]

    def only(self, document_ids: Iterable[str]) -> MemoryIndex:
        """A new index, in memory, of some of these documents; nothing is embedded again."""
        documents, passages, matrices = [], [], []
        for record in self.decided(document_ids).values():
            document = self.read(record)
            bounds, vectors = self._database.bounds(record), self._database.matrix(record)
            if len(bounds) < record.passages or len(vectors) < record.passages:
                raise self._missing(record)
            documents.append(document)
            passages += [_passage(document, start, end) for start, end in bounds.tolist()]
            matrices.append(vectors)
        empty = MemoryIndex(self.embedder)
        return empty.extended(documents, passages, np.concatenate(matrices)) if documents else empty

    def joined(self, other: MemoryIndex) -> MemoryIndex:
        """A new index, in memory, of these documents and another's; nothing is embedded again."""
        return self.only(self.everything).joined(other)

    @functools.cached_property
    def everything(self) -> dict[str, Record]:
        """The records of all documents, by their ids, in the order they came."""
        records = self._database.all_records()
        self._decide(records, {**self._seen, **records})
        return {identity: record for identity in records if (record := self._seen[identity])}

    def has_any(self) -> bool:
        """Whether there is any document."""
        return any(self._seen.values()) or self._database.any_record()

    def decided(self, document_ids: Iterable[str]) -> dict[str, Record]:
        """The records of documents, by their ids; which version is seen is decided here, once.

        Those that are not there are left out.

        Raises:
            Gone: one of them was replaced since.
        """
        ids = list(dict.fromkeys(document_ids))
        if any(identity not in self._seen for identity in ids):
            self._decide(self._database.records(ids), ids)
        return {identity: record for identity in ids if (record := self._seen[identity])}

    def _decide(self, records: Mapping[str, Record], ids: Iterable[str]) -> None:
        """Decide on documents by the records there are now, if what was decided before goes with them.

        Raises:
            Gone: a version that is seen was replaced, perhaps by one that would be seen beside it.
        """
        with self._lock:
            for identity in ids:
                record = records.get(identity)
                before = self._seen.setdefault(identity, record)
                if before and (record is None or record.version != before.version):
                    raise Gone(identity)

    def read(self, record: Record) -> Document:
        """A document.

        Raises:
            Gone: it was removed.
        """
        document = self._document(record)
        if document is None:
            raise Gone(record.id)
        return document

    def place(self, number: int) -> Hit:
        """Where a passage stands.

        Raises:
            Gone: there is none of that number, or not any more.
        """
        hit = self._places.get(number) or self._database.rows.place(number)
        if hit is None or not self._counts(hit):
            raise Gone(number)
        return hit

    def _missing(self, record: Record) -> Exception:
        """Why passages of a document are not there: it is gone, or its rows were lost."""
        if self._database.rows.records("version", [record.version]):
            return damaged_document(self._database.name, record.title)
        return Gone(record.id)

    def _search(self, question: str, count: int) -> tuple[Hits, Hits]:
        """The best passages by vectors and by words."""
        vector = self.embedder.encode([question])[0]
        words = " ".join(dict.fromkeys(words_of(question).split()))
        limit = count + SPARE
        tries = 0
        while tries < AGAIN:
            seen = set(self._seen)
            sides = self._database.rows.search(vector, words, limit)
            touched = {hit.id for side in sides for hit in side}
            self.decided(touched)
            counting = [[hit for hit in side if self._counts(hit)][:count] for side in sides]
            if limit < MOST and any(
                len(kept) < count and len(side) >= limit for kept, side in zip(counting, sides, strict=True)
            ):
                limit = min(4 * limit, MOST)
            elif self._database.generation() == self.generation or (
                touched <= seen and self._stands(touched)
            ):
                if len(self._places) > PLACES:
                    self._places.clear()
                self._places.update((hit.number, hit) for kept in counting for hit in kept)
                return _arrays(counting[0]), _arrays(counting[1])
            else:
                tries += 1
        raise Gone(question)

    def _counts(self, hit: Hit) -> bool:
        record = self.decided([hit.id]).get(hit.id)
        return record is not None and record.version == hit.version

    def _stands(self, touched: Iterable[str]) -> bool:
        """Whether what was decided before a search holds after it, so that all of it was there meanwhile."""
        now = self._database.records(touched)
        versions = {identity: record.version for identity, record in now.items()}
        return versions == {i: record.version for i, record in self.decided(touched).items()}


class _Documents(Mapping[str, Document]):
    """Looked up one by one, as a question needs few; counted and gone through where they are listed."""

    def __init__(self, view: MilvusView) -> None:
        self._view = view

    def __getitem__(self, identity: str) -> Document:
        record = self._view.decided([identity]).get(identity)
        if record is None:
            raise Gone(identity)
        return self._view.read(record)

    def __contains__(self, identity: object) -> bool:
        return isinstance(identity, str) and identity in self._view.decided([identity])

    def __iter__(self) -> Iterator[str]:
        return iter(self._view.everything)

    def __len__(self) -> int:
        return len(self._view.everything)

    def __bool__(self) -> bool:  # asked before each question, where all would be too many to count
        return self._view.has_any()


class _Passages(Mapping[int, Passage]):
    def __init__(self, view: MilvusView) -> None:
        self._view = view

    def __getitem__(self, number: int) -> Passage:
        hit = self._view.place(number)
        return _passage(self._view.documents[hit.id], hit.start, hit.end)

    def __iter__(self) -> Iterator[int]:
        spans = ((record.version, record.passages) for record in self._view.everything.values())
        return (number for first, count in spans for number in range(first, first + count))

    def __len__(self) -> int:
        return sum(record.passages for record in self._view.everything.values())


class MilvusIndex:
    """The index over Milvus. May be shared by threads.

    Args:
        name: of the index, as `index.opening` says.
        embedder: of passages and questions; the one the index was made with.
        create: whether to make the index where there is none.
        limit: seconds that the server may take to come back, and to answer one call; None:
            as `index.milvus_server.limit_set` says.

    Raises:
        InputError: there is no index, it is of another version or made with another embedder, or the server
            does not answer.
    """

    def __init__(
        self, name: str, embedder: Embedder, *, create: bool = False, limit: float | None = None
    ) -> None:
        self._embedder = embedder
        probe = embedder.encode([PROBE])[0]
        self.database = MilvusDatabase(name, probe if create else None, limit)
        try:
            check_embedder(name, self.database.probe, probe)
        except InputError:
            self.database.close()
            raise
        self._document = functools.lru_cache(HELD)(self.database.document)
        self._view: MilvusView | None = None

    def view(self) -> MilvusView:
        """All documents as they are now, for one question or more.

        Raises:
            InputError: the server does not answer.
        """
        generation, view = self.database.generation(), self._view
        if view is None or view.generation != generation:
            view = self._view = MilvusView(self.database, generation, self._embedder, self._document)
        return view

    def steadily(self, ask: Callable[[MilvusView], T]) -> T:
        """What `ask` makes of a view; of a later one where it met a document that was removed meanwhile.

        Raises:
            Gone: it asked for a document that was never there.
            InputError: others changed what was asked about again and again, or the server does not answer.
        """
        until = time.monotonic() + self.database.rows.limit
        unchanged = 0
        while True:
            view = self.view()
            try:
                return ask(view)
            except Gone:
                self._view = None
                if self.database.generation() != view.generation:
                    unchanged = 0
                elif unchanged == UNCHANGED:  # it was never there
                    raise
                else:  # or a write is under way
                    unchanged += 1
                    time.sleep(PAUSE)
                if time.monotonic() > until:
                    raise InputError(
                        f"{self.database.name} has been changed faster than it can be read for "
                        f"{self.database.rows.limit:g} s: ask again later."
                    ) from None

    def put(self, document: Document, progress: Progress | None = None) -> bool:
        """Add a document, in the place of what its file held before.

        Args:
            document: that was read.
            progress: told how many of how many passages are embedded.

        Returns:
            whether what can be found changed; a document with the same text is not added twice.

        Raises:
            InputError: the server does not answer, or has no room.
        """
        if self.database.holds(document):
            return False
        # Meanwhile others read and write.
        passages, vectors = self._copied(document) or embedded(document, self._embedder, progress)
        return self.database.insert(document, passages, vectors)

    def _copied(self, document: Document) -> tuple[list[Passage], np.ndarray] | None:
        """The passages and vectors of another file of the same text; None where there is none."""
        record = self.database.records([document.id]).get(document.id)
        if record is None:
            return None
        passages, vectors = split_passages(document), self.database.matrix(record)
        bounds = [(passage.start, passage.end) for passage in passages]
        same = self.database.bounds(record).tolist() == [*map(list, bounds)] and len(vectors) == len(passages)
        return (passages, vectors) if same else None

    def remove(self, document_ids: Iterable[str]) -> int:
        """Remove documents by their ids, all at once; unknown ones are passed over. Returns how many."""
        return self.database.delete(document_ids)

    def check(self, sample: int = 20) -> list[str]:
        """What is wrong, a sentence each, as `index.inspection.check`; and what interrupted writes left."""
        left = [
            f"A write that was interrupted has left {'its mark' if counts else 'rows that no question sees'} "
            f"(version {version})."
            for version, counts in self.database.left_over().items()
        ]
        return left + check(self.database, self._embedder, sample)

    def repair(self) -> list[str]:
        """Mend what is wrong, as `index.inspection.repair`, and delete what interrupted writes left."""
        done = []
        for version in self.database.left_over():
            self.database.clear(version)
            done.append(f"What an interrupted write had left was deleted (version {version}).")
        return done + repair(self.database, self._embedder)

    def size(self) -> Size:
        """How many documents and passages there are."""
        return self.database.size()

    def close(self) -> None:
        """Close the connection; nothing can be read any more."""
        self.database.close()


def _passage(document: Document, start: int, end: int) -> Passage:
    return Passage(document.id, start, end, document.text[start:end], page_of(document, start))


def _arrays(hits: list[Hit]) -> Hits:
    numbers = np.array([hit.number for hit in hits], np.int64)
    return numbers, np.array([hit.score for hit in hits], np.float32)
